/// A subject that words near an identifier may be about. The words themselves stand in `ContextWords`.
package enum ContextTopic: UInt8, Sendable, CaseIterable {
    // Payment and banking.
    case card, iban, bic, bankAccount, usRouting, sortCode, lei, securities, vat
    // People and their documents, not tied to a country.
    case passport, drivingLicence, identityCard, taxNumber, socialSecurity, dateOfBirth, phone, address
    // One country's own words.
    case arCUIT, atSVNR, auABN, auACN, auMedicare, auTFN, beNRN, bgEGN, brCNPJ, brCPF, caSIN, chAHV, clRUT, cnID, czRC, deTaxID, deDocument
    case dkCPR, eeIK, esDNI, esNIE, esCIF, esNUSS, fiHETU, frNIR, frSIREN, frTaxID, grAFM, grAMKA, hkID, hrOIB, huTax, iePPS, ilID,
        inAadhaar
    case inPAN, itCF, itPIVA, jpMyNumber, krRRN, ltAK, lvPK, myIC, nlBSN, noFNR, nzIRD, plPESEL, plNIP, plREGON, plIDCard, plPassport, ptNIF
    case ptCC, roCNP, ruINN, sePNR, sgNRIC, siEMSO, siTax, thID, trTCKN, twID, ukNHS, ukNINO, ukUTR, usSSN, usITIN, usNPI, usDEA, usMBI,
        zaID
    // Devices, vehicles, health, networks.
    case imei, vin, plate, diagnosis, medicalRecord, gps, network, version
}
