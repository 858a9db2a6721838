/// National identifiers of the Americas, Asia, Africa and the Pacific.
extension SensitiveDataTypes {
    static let world: [SensitiveDataType] = [
        .init("USSocialSecurityNumber", "US", ["999 99 9999"], .contextual, near: [.usSSN], acceptsAnnounced: true, check: Checksums.ssn),
        .init("USSocialSecurityNumber", "US", ["999 99 9999!"], .weak, near: [.usSSN, .socialSecurity, .taxNumber], check: Checksums.ssn),
        .init(
            "USIndividualTaxpayerIdentification", "US", ["999 99 9999"], .contextual, near: [.usITIN, .taxNumber], check: Checksums.itin),
        .init("USNationalProviderIdentifier", "US", ["9999999999"], .contextual, near: [.usNPI], check: Checksums.npi),
        .init("DrugEnforcementAgencyNumber", "US", ["AA9999999", "A99999999"], .contextual, near: [.usDEA], check: Checksums.dea),
        .init("USMedicareBeneficiaryId", "US", ["9AX9AX9AA99", "9AX9 AX9 AA99"], .contextual, near: [.usMBI], check: Checksums.mbi),
        .init("CASocialInsuranceNumber", "CA", ["999 999 999"], .contextual, near: [.caSIN, .socialSecurity], check: Checksums.sin),
        .init("BRCPFNumber", "BR", ["999 999 999 99!"], .distinctive, near: [.brCPF], check: Checksums.cpf),
        .init("BRCPFNumber", "BR", ["99999999999", "999999999 99"], .contextual, near: [.brCPF], check: Checksums.cpf),
        .init("BRLegalEntityNumber", "BR", ["XX XXX XXX XXXX 99!"], .distinctive, near: [.brCNPJ], check: Checksums.cnpj),
        .init("BRLegalEntityNumber", "BR", ["XXXXXXXXXXXX99"], .contextual, near: [.brCNPJ], check: Checksums.cnpj),
        .init("ARTaxIdentificationNumber", "AR", ["99 99999999 9", "99999999999"], .contextual, near: [.arCUIT], check: Checksums.cuit),
        .init(
            "CLIdentityCardNumber", "CL", ["99 999 999 X", "9 999 999 X", "99999999 X", "9999999 X"], .contextual, near: [.clRUT],
            check: Checksums.rut),
        .init("INUniqueIdentificationNumber", "IN", ["9999 9999 9999"], .contextual, near: [.inAadhaar], check: Checksums.aadhaar),
        .init("INPermanentAccount", "IN", ["AAAAA9999A"], .contextual, near: [.inPAN], check: Checksums.pan),
        .init(
            "CNResidentIdentityCardNumber", "CN", ["99999999999999999X", "999999 99999999 999X"], .distinctive, near: [.cnID],
            check: Checksums.chineseIdentity),
        .init("KRResidentRegistrationNumber", "KR", ["999999 9999999"], .contextual, near: [.krRRN], check: Checksums.koreanResident),
        .init("JPMyNumberPersonal", "JP", ["999999999999", "9999 9999 9999"], .contextual, near: [.jpMyNumber], check: Checksums.myNumber),
        .init(
            "HKIdentityCardNumber", "HK", ["A9999999", "A999999X", "AA999999X", "A999999 X"], .contextual, near: [.hkID],
            check: Checksums.hongKongIdentity),
        .init(
            "SGNationalRegistrationIdentityCardNumber", "SG", ["A9999999A"], .contextual, near: [.sgNRIC, .identityCard],
            check: Checksums.nric),
        .init("TWNationalID", "TW", ["A999999999"], .contextual, near: [.twID, .identityCard], check: Checksums.taiwaneseIdentity),
        .init(
            "THPopulationIdentificationCode", "TH", ["9999999999999", "9 9999 99999 99 9"], .contextual, near: [.thID],
            check: Checksums.thaiIdentity),
        .init(
            "MYIdentityCardNumber", "MY", ["999999 99 9999", "999999999999"], .contextual, near: [.myIC], check: Checksums.malaysianIdentity
        ),
        .init(
            "ILNationalID", "IL", ["999999999", "99999999 9", "9 9999999 9"], .contextual, near: [.ilID], check: Checksums.israeliIdentity),
        .init(
            "ZAIdentificationNumber", "ZA", ["9999999999999", "999999 9999 999", "999999 9999 99 9"], .contextual,
            near: [.zaID, .identityCard], check: Checksums.southAfricanIdentity),
        .init("AUTaxFileNumber", "AU", ["999999999", "999 999 999"], .contextual, near: [.auTFN], check: Checksums.tfn),
        .init("AUBusinessNumber", "AU", ["99 999 999 999"], .contextual, near: [.auABN], check: Checksums.abn),
        .init("AUCompanyNumber", "AU", ["999 999 999"], .contextual, near: [.auACN], check: Checksums.acn),
        .init(
            "AUMedicalAccountNumber", "AU", ["9999999999", "9999 99999 9", "99999999999", "9999 99999 99"], .contextual,
            near: [.auMedicare],
            check: Checksums.medicare),
        .init("NZInlandRevenueNumber", "NZ", ["999 999 999", "99999999", "99 999 999"], .contextual, near: [.nzIRD], check: Checksums.ird),
    ]
}
