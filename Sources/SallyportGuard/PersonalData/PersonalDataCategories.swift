import SallyportCore

/// The category names that Azure AI Language knows, and ours for what it has no name for.
package enum PersonalDataCategories {
    /// API versions 2022-05-01 to 2024-11-01.
    static let stable = """
        ABARoutingNumber ARNationalIdentityNumber AUBankAccountNumber AUDriversLicenseNumber AUMedicalAccountNumber
        AUPassportNumber AUTaxFileNumber AUBusinessNumber AUCompanyNumber ATIdentityCard ATTaxIdentificationNumber
        ATValueAddedTaxNumber AzureDocumentDBAuthKey AzureIAASDatabaseConnectionAndSQLString AzureIoTConnectionString
        AzurePublishSettingPassword AzureRedisCacheString AzureSAS AzureServiceBusString AzureStorageAccountKey
        AzureStorageAccountGeneric BENationalNumber BENationalNumberV2 BEValueAddedTaxNumber BRCPFNumber BRLegalEntityNumber
        BRNationalIDRG BGUniformCivilNumber CABankAccountNumber CADriversLicenseNumber CAHealthServiceNumber CAPassportNumber
        CAPersonalHealthIdentification CASocialInsuranceNumber CLIdentityCardNumber CNResidentIdentityCardNumber
        CreditCardNumber HRIdentityCardNumber HRNationalIDNumber HRPersonalIdentificationNumber
        HRPersonalIdentificationOIBNumberV2 CYIdentityCard CYTaxIdentificationNumber CZPersonalIdentityNumber
        CZPersonalIdentityV2 DKPersonalIdentificationNumber DKPersonalIdentificationV2 DrugEnforcementAgencyNumber
        EEPersonalIdentificationCode EUDebitCardNumber EUDriversLicenseNumber EUGPSCoordinates EUNationalIdentificationNumber
        EUPassportNumber EUSocialSecurityNumber EUTaxIdentificationNumber FIEuropeanHealthNumber FINationalID FINationalIDV2
        FIPassportNumber FRDriversLicenseNumber FRHealthInsuranceNumber FRNationalID FRPassportNumber FRSocialSecurityNumber
        FRTaxIdentificationNumber FRValueAddedTaxNumber DEDriversLicenseNumber DEPassportNumber DEIdentityCardNumber
        DETaxIdentificationNumber DEValueAddedNumber GRNationalIDCard GRNationalIDV2 GRTaxIdentificationNumber
        HKIdentityCardNumber HUValueAddedNumber HUPersonalIdentificationNumber HUTaxIdentificationNumber INPermanentAccount
        INUniqueIdentificationNumber IDIdentityCardNumber InternationalBankingAccountNumber IEPersonalPublicServiceNumber
        IEPersonalPublicServiceNumberV2 ILBankAccountNumber ILNationalID ITDriversLicenseNumber ITFiscalCode
        ITValueAddedTaxNumber JPBankAccountNumber JPDriversLicenseNumber JPPassportNumber JPResidentRegistrationNumber
        JPSocialInsuranceNumber JPMyNumberCorporate JPMyNumberPersonal JPResidenceCardNumber LVPersonalCode LTPersonalCode
        LUNationalIdentificationNumberNatural LUNationalIdentificationNumberNonNatural MYIdentityCardNumber
        MTIdentityCardNumber MTTaxIDNumber NLCitizensServiceNumber NLCitizensServiceNumberV2 NLTaxIdentificationNumber
        NLValueAddedTaxNumber NZBankAccountNumber NZDriversLicenseNumber NZInlandRevenueNumber NZMinistryOfHealthNumber
        NZSocialWelfareNumber NOIdentityNumber PHUnifiedMultiPurposeIDNumber PLIdentityCard PLNationalID PLNationalIDV2
        PLPassportNumber PLTaxIdentificationNumber PLREGONNumber PTCitizenCardNumber PTCitizenCardNumberV2
        PTTaxIdentificationNumber ROPersonalNumericalCode RUPassportNumberDomestic RUPassportNumberInternational SANationalID
        SGNationalRegistrationIdentityCardNumber SKPersonalNumber SITaxIdentificationNumber SIUniqueMasterCitizenNumber
        ZAIdentificationNumber KRResidentRegistrationNumber ESDNI ESSocialSecurityNumber ESTaxIdentificationNumber
        SQLServerConnectionString SENationalID SENationalIDV2 SEPassportNumber SETaxIdentificationNumber SWIFTCode
        CHSocialSecurityNumber TWNationalID TWPassportNumber TWResidentCertificate THPopulationIdentificationCode
        TRNationalIdentificationNumber UKDriversLicenseNumber UKElectoralRollNumber UKNationalHealthNumber
        UKNationalInsuranceNumber UKUniqueTaxpayerNumber USUKPassportNumber USBankAccountNumber USDriversLicenseNumber
        USIndividualTaxpayerIdentification USSocialSecurityNumber UAPassportNumberDomestic UAPassportNumberInternational
        Organization Email URL Age PhoneNumber IPAddress Date Person Address
        """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)

    /// Added by 2026-05-15-preview.
    static let preview = """
        DateOfBirth BankAccountNumber PassportNumber DriversLicenseNumber Neighborhood SortCode PIN VIN
        VehicleIdentificationNumber LicensePlate KRPassportNumber KRDriversLicenseNumber KRSocialSecurityNumber
        GovernmentIssuedId Password NationalId ZipCode CVV ExpirationDate CASocialIdentificationNumber
        USMedicareBeneficiaryId Location City State Airport GPE
        """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)

    /// Identifiers that our detectors find and Azure has no name for.
    static let own = Set(SensitiveDataTypes.all.map(\.category)).union(["MACAddress", "CryptocurrencyAddress", "ICD10Code"]).subtracting(
        renamed.keys)

    /// What our detectors call otherwise than Azure does.
    static let renamed = ["MachineReadableZone": "PassportNumber", "IDNumber": "GovernmentIssuedId"]

    /// Every name that a request may ask for, by its lower-case spelling.
    static let byLowercaseName: [String: String] = Dictionary(
        (stable + preview + own.sorted()).map { ($0.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })

    /// The name that a reply uses for a finding. A credential without a name of its own is a `Password`.
    static func name(of category: Finding.Category) -> String {
        if let known = byLowercaseName[category.name.lowercased()] { return known }
        if category.group == .secret { return "Password" }
        return renamed[category.name] ?? category.name
    }

    /// The identifiers that HIPAA's safe-harbour list names (45 CFR 164.514(b)(2)): all but credentials and what belongs to organisations.
    static func isHealthRelated(_ name: String) -> Bool {
        !name.hasPrefix("Azure") && !notHealthRelated.contains(name)
    }

    private static let notHealthRelated: Set<String> = [
        "SQLServerConnectionString", "Password", "PIN", "CVV", "ExpirationDate", "SWIFTCode", "ABARoutingNumber", "SortCode",
        "LegalEntityIdentifier", "ISIN",
        "CryptocurrencyAddress", "Organization", "BRLegalEntityNumber", "FRBusinessNumber", "AUBusinessNumber", "AUCompanyNumber",
        "PLREGONNumber",
        "ATValueAddedTaxNumber", "BEValueAddedTaxNumber", "DEValueAddedNumber", "FRValueAddedTaxNumber", "HUValueAddedNumber",
        "ITValueAddedTaxNumber",
        "NLValueAddedTaxNumber", "JPMyNumberCorporate", "LUNationalIdentificationNumberNonNatural", "Airport",
    ]

    /// What a model reads in a text: gives way to what a pattern shows.
    static let names: Set<String> = ["Organization", "Person", "Location"]

    /// Says little by itself: gives way where another entity claims the same text.
    static let general: Set<String> = ["URL", "Date", "Age", "Address", "Organization", "Person", "Location", "City", "State"]
}
