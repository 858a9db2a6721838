/// National identifiers of Europe, the Nordic and Baltic countries, and Turkey.
extension SensitiveDataTypes {
    static let europe: [SensitiveDataType] = [
        .init("PLNationalID", "PL", ["99999999999"], .weak, near: [.plPESEL], acceptsAnnounced: true, check: Checksums.pesel),
        .init(
            "PLTaxIdentificationNumber", "PL", ["9999999999", "999 999 99 99", "999 99 99 999"], .contextual, near: [.plNIP, .taxNumber],
            check: Checksums.nip),
        .init("PLREGONNumber", "PL", ["999999999", "99999999999999"], .contextual, near: [.plREGON], check: Checksums.regon),
        .init(
            "PLIdentityCard", "PL", ["AAA999999", "AAA 999999", "AAA 9 99999"], .contextual, near: [.plIDCard, .identityCard],
            check: Checksums.polishIdentityCard),
        .init(
            "PLPassportNumber", "PL", ["AA9999999", "AA 9999999"], .contextual, near: [.plPassport, .passport],
            check: Checksums.polishPassport),
        .init("UKNationalHealthNumber", "GB", ["999 999 9999"], .contextual, near: [.ukNHS], acceptsAnnounced: true, check: Checksums.nhs),
        .init(
            "UKNationalInsuranceNumber", "GB", ["AA 99 99 99 A!", "AA 999999 A!"], .distinctive, near: [.ukNINO, .socialSecurity],
            check: Checksums.nino),
        .init("UKNationalInsuranceNumber", "GB", ["AA999999A"], .weak, near: [.ukNINO, .socialSecurity], check: Checksums.nino),
        .init("UKUniqueTaxpayerNumber", "GB", ["9999999999", "99999 99999"], .contextual, near: [.ukUTR], check: Checksums.ukTaxpayer),
        .init(
            "IEPersonalPublicServiceNumber", "IE", ["9999999A", "9999999AA", "9999999 A", "9999999 AA"], .contextual, near: [.iePPS],
            check: Checksums.pps),
        .init(
            "DETaxIdentificationNumber", "DE", ["99999999999", "99 999 999 999", "999 999 99999"], .contextual,
            near: [.deTaxID, .taxNumber],
            check: Checksums.germanTaxID),
        .init(
            "DEIdentityCardNumber", "DE", ["AXXXXXXXX9", "AXXXXXXXX 9"], .contextual, near: [.deDocument], check: Checksums.germanDocument),
        .init(
            "ATSocialSecurityNumber", "AT", ["9999999999", "9999 999999", "9999 99 99 99"], .contextual, near: [.atSVNR],
            check: Checksums.austrianSocialSecurity),
        .init("CHSocialSecurityNumber", "CH", ["999 9999 9999 99", "9999999999999"], .distinctive, near: [.chAHV], check: Checksums.ahv),
        .init(
            "FRSocialSecurityNumber", "FR",
            ["9 99 99 9X 999 999 99", "999999X99999999", "9 99 99 99 999 999 99", "9 9999 9X 999 999 99", "999999X999999 99"],
            .weak, near: [.frNIR, .socialSecurity], check: Checksums.nir),
        .init(
            "FRSocialSecurityNumber", "FR", ["9 99 99 9X 999 999 99!"], .distinctive, near: [.frNIR, .socialSecurity], check: Checksums.nir),
        .init("FRBusinessNumber", "FR", ["999 999 999", "999 999 999 99999"], .contextual, near: [.frSIREN], check: Checksums.siren),
        .init(
            "FRTaxIdentificationNumber", "FR", ["9999999999999", "99 99 999 999 999"], .contextual, near: [.frTaxID],
            check: { $0[0] <= 0x33 }),
        .init(
            "BENationalNumber", "BE", ["99 99 99 999 99", "999999 999 99"], .contextual, near: [.beNRN, .socialSecurity, .identityCard],
            check: Checksums.belgianNational),
        .init(
            "NLCitizensServiceNumber", "NL", ["999999999", "9999 99 999", "999 999 999", "99 99 99 999"], .contextual, near: [.nlBSN],
            check: Checksums.bsn),
        .init("ESDNI", "ES", ["99999999A", "99999999 A", "99 999 999 A", "99 999 999A"], .weak, near: [.esDNI], check: Checksums.dni),
        .init("ESTaxIdentificationNumber", "ES", ["A9999999A", "A 9999999 A", "A9999999 A"], .weak, near: [.esNIE], check: Checksums.nie),
        .init(
            "ESTaxIdentificationNumber", "ES", ["A9999999X", "A 9999999X", "A 9999999 X"], .contextual, near: [.esCIF], check: Checksums.cif
        ),
        .init(
            "ESSocialSecurityNumber", "ES", ["999999999999", "99 9999999999", "99 99999999 99"], .contextual,
            near: [.esNUSS, .socialSecurity],
            check: Checksums.spanishSocialSecurity),
        .init(
            "PTTaxIdentificationNumber", "PT", ["999999999", "999 999 999"], .contextual, near: [.ptNIF, .taxNumber],
            check: Checksums.portugueseTaxID),
        .init(
            "PTCitizenCardNumber", "PT", ["99999999 9 AX9", "99999999 9AX9"], .contextual, near: [.ptCC, .identityCard],
            check: Checksums.portugueseCitizenCard),
        .init(
            "ITFiscalCode", "IT", ["AAAAAAXXAXXAXXXA", "AAA AAA XXAXX AXXXA", "AAA AAA XXAXX AXXX A"], .distinctive, near: [.itCF],
            check: Checksums.codiceFiscale),
        .init(
            "SENationalID", "SE", ["9999999999", "999999 9999", "999999999999", "99999999 9999"], .contextual, near: [.sePNR],
            check: Checksums.personnummer),
        .init("NOIdentityNumber", "NO", ["99999999999", "999999 99999"], .weak, near: [.noFNR], check: Checksums.fodselsnummer),
        .init("DKPersonalIdentificationNumber", "DK", ["9999999999", "999999 9999"], .contextual, near: [.dkCPR], check: Checksums.cpr),
        .init("FINationalID", "FI", ["999999 999X!", "999999A999X"], .distinctive, near: [.fiHETU], check: Checksums.hetu),
        .init("EEPersonalIdentificationCode", "EE", ["99999999999"], .contextual, near: [.eeIK], check: Checksums.balticPersonal),
        .init("LTPersonalCode", "LT", ["99999999999"], .contextual, near: [.ltAK], check: Checksums.balticPersonal),
        .init("LVPersonalCode", "LV", ["999999 99999", "99999999999"], .contextual, near: [.lvPK], check: Checksums.latvianPersonal),
        .init("CZPersonalIdentityNumber", "CZ", ["9999999999", "999999 9999"], .contextual, near: [.czRC], check: Checksums.rodneCislo),
        .init("ROPersonalNumericalCode", "RO", ["9999999999999"], .weak, near: [.roCNP], check: Checksums.cnp),
        .init("BGUniformCivilNumber", "BG", ["9999999999"], .contextual, near: [.bgEGN], check: Checksums.egn),
        .init("HRPersonalIdentificationNumber", "HR", ["99999999999"], .contextual, near: [.hrOIB], check: Checksums.oib),
        .init("SIUniqueMasterCitizenNumber", "SI", ["9999999999999"], .contextual, near: [.siEMSO], check: Checksums.emso),
        .init("SITaxIdentificationNumber", "SI", ["99999999"], .contextual, near: [.siTax], check: Checksums.slovenianTaxID),
        .init(
            "HUTaxIdentificationNumber", "HU", ["9999999999", "9 999 999 999"], .contextual, near: [.huTax], check: Checksums.hungarianTaxID
        ),
        .init("GRTaxIdentificationNumber", "GR", ["999999999"], .contextual, near: [.grAFM], check: Checksums.greekTaxID),
        .init("GRSocialSecurityNumber", "GR", ["99999999999"], .contextual, near: [.grAMKA], check: Checksums.amka),
        .init("TRNationalIdentificationNumber", "TR", ["99999999999"], .weak, near: [.trTCKN], check: Checksums.tckn),
        .init("RUTaxIdentificationNumber", "RU", ["999999999999"], .contextual, near: [.ruINN], check: Checksums.inn),
    ]
}
