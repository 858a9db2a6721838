/// The context words of each topic and language, lower case and without diacritics: texts are folded the same way before they are
/// compared. A word matches where a word begins; words of five characters and more match longer words too (`passport` finds
/// `passportnummer`).
enum ContextWords {
    static let all: [(ContextTopic, [String: String])] = [
        (
            .card,
            [
                "en":
                    "card number|credit card|creditcard|debit card|card no|cardnumber|cc number|ccnum|pan|visa|mastercard|amex|american express|"
                    + "diners|discover|maestro|payment card|bank card|card|cvv|cvc|expires|expiry|expiration|cardholder|charge card|refund|declined|charged|billed",
                "de": "kreditkarte|kartennummer|karte|bankkarte|debitkarte|gultig bis|prufziffer|ec-karte",
                "fr": "carte bancaire|carte de credit|numero de carte|carte bleue|date d'expiration|cryptogramme",
                "es": "tarjeta|numero de tarjeta|caducidad|codigo de seguridad",
                "it": "carta di credito|numero di carta|numero carta|scadenza|carta",
                "pl": "karta|karty|kartę|karte|numer karty|data waznosci", "pt": "cartao|numero do cartao|validade",
                "nl": "creditcard|kaartnummer|pinpas|vervaldatum|kaart", "tr": "kart numarasi|kredi karti|kart|son kullanma",
                "sv": "kortnummer|kreditkort|kontokort", "ru": "номер карты|кредитная карта|карта", "zh": "信用卡|卡号", "ja": "クレジットカード|カード番号",
            ]
        ),
        (
            .iban,
            [
                "*":
                    "iban|bank account|account number|bank transfer|kontonummer|bankverbindung|rachunek|konto|compte|cuenta|conto|rekening|hesap|conta|wire|transfer"
            ]
        ),
        (.bic, ["*": "swift|bic|bank identifier|bankleitzahl|bank code|kod swift|codigo swift|code swift|codice swift"]),
        (
            .bankAccount,
            [
                "en":
                    "account number|account no|acct|account #|bank account|checking|savings account|direct deposit|deposit to|account|wire",
                "de": "kontonummer|konto-nr|kto|bankkonto", "fr": "numero de compte|compte bancaire",
                "es": "numero de cuenta|cuenta bancaria",
                "it": "numero di conto|conto corrente", "pl": "numer konta|numer rachunku|rachunek bankowy",
                "pt": "numero da conta|conta bancaria",
                "nl": "rekeningnummer|bankrekening", "tr": "hesap numarasi|banka hesabi",
            ]
        ),
        (.usRouting, ["en": "routing|aba|rtn|transit number|ach|fedwire|bank route"]),
        (.sortCode, ["en": "sort code|sort-code|sortcode"]),
        (.lei, ["*": "lei|legal entity"]), (.securities, ["*": "isin|securit|wertpapier|share|stock|bond|fund|titre|titolo|valor"]),
        (
            .vat,
            [
                "*":
                    "vat|ust-id|ust-idnr|ustid|umsatzsteuer|mehrwertsteuer|uid|tva|iva|btw|omzetbelasting|numero de tva|partita iva|vat number"
            ]
        ),
        (
            .passport,
            [
                "en": "passport|travel document", "de": "reisepass|passnummer|pass-nr|passnr|reisedokument", "fr": "passeport",
                "es": "pasaporte",
                "it": "passaporto", "pl": "paszport", "pt": "passaporte", "nl": "paspoort", "tr": "pasaport", "sv": "passnummer",
                "fi": "passi|passin",
                "ru": "паспорт", "zh": "护照|護照", "ja": "パスポート|旅券", "uk": "закордонний паспорт",
            ]
        ),
        (
            .drivingLicence,
            [
                "en":
                    "driver license|driver licence|driver's license|driver's licence|drivers license|drivers licence|driving license|driving licence|"
                    + "driver’s license|driver’s licence|driver lic|driving permit|license number|licence number|dl number|dl#|dln|dl no",
                "de": "fuhrerschein|fahrerlaubnis|fuehrerschein", "fr": "permis de conduire",
                "es": "permiso de conducir|licencia de conducir|carnet de conducir",
                "it": "patente", "pl": "prawo jazdy|prawa jazdy", "pt": "carta de conducao|cnh|carteira de motorista", "nl": "rijbewijs",
                "tr": "ehliyet|surucu belgesi",
                "sv": "korkort",
            ]
        ),
        (
            .identityCard,
            [
                "en":
                    "identity card|id card|national id|id number|identity number|identification number|identity no|id no|personal id|government id",
                "de": "personalausweis|ausweisnummer|ausweis-nr|ausweis|identitatskarte",
                "fr": "carte d'identite|carte nationale d'identite|cni|identite",
                "es": "documento de identidad|cedula|documento nacional|identidad",
                "it": "carta d'identita|carta di identita|documento d'identita",
                "pl": "dowod osobisty|dowodu osobistego|nr dowodu|numer dowodu|dowod",
                "pt": "cartao de cidadao|bilhete de identidade|identidade|rg",
                "nl": "identiteitskaart|identiteitsbewijs|id-kaart", "tr": "kimlik|nufus cuzdani",
            ]
        ),
        (
            .taxNumber,
            [
                "en": "tax id|tax number|tax identification|taxpayer|tax no|tin|fiscal code|tax file|tax code", "de": "steuer",
                "fr": "numero fiscal|identifiant fiscal|spi|impot", "es": "identificacion fiscal|numero fiscal|nif|cif",
                "it": "codice fiscale",
                "pl": "numer podatkowy|identyfikacji podatkowej|nip", "pt": "contribuinte|numero fiscal|nif",
                "nl": "fiscaal nummer|fiscaalnummer|sofi",
                "tr": "vergi", "el": "αφμ|α.φ.μ",
            ]
        ),
        (
            .socialSecurity,
            [
                "en": "social security|social insurance|national insurance", "de": "sozialversicherung|versicherungsnummer|svnr|sv-nummer",
                "fr": "securite sociale|numero de secu|carte vitale|assurance maladie", "es": "seguridad social|afiliacion",
                "it": "previdenza sociale|inps",
                "pl": "ubezpieczenie spoleczne|zus", "pt": "seguranca social|niss", "nl": "sociale zekerheid|sofinummer|rijksregister",
                "tr": "sosyal guvenlik|sgk",
            ]
        ),
        (
            .dateOfBirth,
            [
                "en": "date of birth|dob|d.o.b|birth date|birthdate|birthday|born|birth_date", "de": "geburtsdatum|geboren|geb.|geburtstag",
                "fr": "date de naissance|ne le|nee le|naissance", "es": "fecha de nacimiento|nacido|nacida|nacimiento",
                "it": "data di nascita|nato il|nata il|nascita", "pl": "data urodzenia|urodzony|urodzona|ur.|urodzenia",
                "pt": "data de nascimento|nascido|nascida|nascimento", "nl": "geboortedatum|geboren", "tr": "dogum tarihi|dogum gunu|dogum",
                "sv": "fodelsedatum|fodd", "ru": "дата рождения|родился|родилась",
            ]
        ),
        (
            .phone,
            [
                "en":
                    "phone|telephone|tel|tel.|mobile|cell|cellphone|call|called|calling|fax|text me|sms|whatsapp|contact number|number is|new number|reach me|dial|"
                    + "ring me|his number|her number|my number|contact|hotline|voicemail",
                "de": "telefon|tel|handy|mobil|mobilnummer|rufnummer|anruf|ruf|fax|telefonnummer",
                "fr": "telephone|portable|appelez|appeler|joindre|tel",
                "es": "telefono|movil|llamar|llame|celular|tlf", "it": "telefono|cellulare|chiamare|chiama|cell",
                "pl": "telefon|komorka|komorkowy|zadzwon|tel|numer tel",
                "pt": "telefone|telemovel|celular|ligar|ligue", "nl": "telefoon|mobiel|bel|bellen|gsm|telefoonnummer",
                "tr": "telefon|cep|ara|numaram|numarasi|gsm",
                "sv": "telefon|mobil|ring", "ru": "телефон|тел|звоните|моб", "zh": "电话|手机|電話", "ja": "電話|携帯",
            ]
        ),
        (
            .address,
            ["*": "address|adresse|direccion|indirizzo|adres|endereco|anschrift|live at|lives at|wohnhaft|domicilio|zamieszkal|adresi"]
        ),
        (.arCUIT, ["*": "cuit|cuil|argentin"]), (.atSVNR, ["*": "sozialversicherung|svnr|sv-nr|sv-nummer|versicherungsnummer|e-card"]),
        (.auABN, ["*": "abn|australian business|business number"]), (.auACN, ["*": "acn|australian company|company number"]),
        (.auMedicare, ["*": "medicare"]), (.auTFN, ["*": "tfn|tax file"]),
        (
            .beNRN,
            ["*": "rijksregister|registre national|nationaal nummer|numero national|nrn|nationalregister|insz|niss|national number|belgi"]
        ),
        (.bgEGN, ["*": "егн|egn|единен граждански|edinen grazhdanski|bulgarian|personal number|личен номер"]),
        (.brCNPJ, ["*": "cnpj|cadastro nacional"]), (.brCPF, ["*": "cpf|cadastro de pessoas|contribuinte"]),
        (.caSIN, ["*": "sin|social insurance|assurance sociale|nas"]),
        (.chAHV, ["*": "ahv|avs|oasi|versichertennummer|numero avs|ahv-nummer|ahv-nr|sozialversicherungsnummer"]),
        (.clRUT, ["*": "rut|run|rol unico"]),
        (.cnID, ["*": "身份证|身分證|公民身份|resident identity|id card|identity card|shenfenzheng|id number"]),
        (.czRC, ["*": "rodne cislo|rodneho cisla|r.c.|rc|birth number|rodnecislo"]),
        (
            .deTaxID,
            [
                "*":
                    "steuer-id|steueridentifikation|steuer-idnr|steuernummer|idnr|tin|tax id|tax identification|identifikationsnummer|steuerid|steuer"
            ]
        ),
        (.deDocument, ["*": "personalausweis|ausweisnummer|ausweis|reisepass|passnummer|passport|id card|dokumentennummer"]),
        (.dkCPR, ["*": "cpr|personnummer|cpr-nummer|cpr-nr"]), (.eeIK, ["*": "isikukood|ik|personal code|id-kaart|estonia"]),
        (.esDNI, ["*": "dni|nif|documento nacional|identidad"]), (.esNIE, ["*": "nie|extranjero|identidad"]),
        (.esCIF, ["*": "cif|nif|identificacion fiscal"]), (.esNUSS, ["*": "seguridad social|nuss|afiliacion|naf|social security"]),
        (.fiHETU, ["*": "hetu|henkilotunnus|personbeteckning|personal identity|sotu"]),
        (.frNIR, ["*": "securite sociale|secu|nir|insee|carte vitale|assurance maladie|assure|social security"]),
        (.frSIREN, ["*": "siren|siret|rcs|immatricul|etablissement"]),
        (.frTaxID, ["*": "numero fiscal|identifiant fiscal|spi|reference fiscale|impot"]),
        (.grAFM, ["*": "αφμ|α.φ.μ|afm|vat|greek tax|φορολογικ"]), (.grAMKA, ["*": "αμκα|amka|κοινωνικησ ασφαλισ"]),
        (.hkID, ["*": "hkid|hong kong id|hong kong identity|身份證|identity card"]), (.hrOIB, ["*": "oib|osobni identifikacijski"]),
        (.huTax, ["*": "adoazonosito|ado azonosito|adoszam|tax id"]), (.iePPS, ["*": "pps|ppsn|personal public service|rsi number"]),
        (.ilID, ["*": "תעודת זהות|מספר זהות|teudat zehut|israeli id|israel|ת.ז"]), (.inAadhaar, ["*": "aadhaar|aadhar|uidai|uid|आधार"]),
        (.inPAN, ["*": "pan|permanent account|income tax"]), (.itCF, ["*": "codice fiscale|c.f.|cf|fiscal code"]),
        (.itPIVA, ["*": "partita iva|p.iva|p. iva|piva|iva"]), (.jpMyNumber, ["*": "マイナンバー|個人番号|my number|mynumber"]),
        (.krRRN, ["*": "주민등록|주민번호|resident registration|rrn|korean"]), (.ltAK, ["*": "asmens kodas|asmens kodo|personal code|lithuania"]),
        (.lvPK, ["*": "personas kods|personas kodu|latvia|personal code"]),
        (.myIC, ["*": "mykad|nric|kad pengenalan|no. kp|malaysia|ic number|ic no"]),
        (.nlBSN, ["*": "bsn|burgerservicenummer|sofinummer|sofi-nummer|sofi|citizen service"]),
        (.noFNR, ["*": "fodselsnummer|fnr|personnummer|d-nummer|fødselsnummer|norwegian"]), (.nzIRD, ["*": "ird|inland revenue"]),
        (.plPESEL, ["*": "pesel"]), (.plNIP, ["*": "nip|numer identyfikacji podatkowej|identyfikacji podatkowej|vat"]),
        (.plREGON, ["*": "regon"]),
        (.plIDCard, ["*": "dowod|dowodu|identity card|id card|seria i numer"]), (.plPassport, ["*": "paszport|passport"]),
        (.ptNIF, ["*": "nif|contribuinte|numero fiscal|identificacao fiscal|nipc"]),
        (.ptCC, ["*": "cartao de cidadao|citizen card|numero de documento|identidade"]), (.roCNP, ["*": "cnp|cod numeric personal"]),
        (.ruINN, ["*": "инн|inn"]), (.sePNR, ["*": "personnummer|samordningsnummer|personal number|swedish|personnr|pnr"]),
        (.sgNRIC, ["*": "nric|fin|singapore|identity card"]), (.siEMSO, ["*": "emso|jmbg|maticni broj|maticna stevilka|enotna maticna"]),
        (.siTax, ["*": "davcna stevilka|davcna|tax number"]), (.thID, ["*": "บัตรประชาชน|เลขประจำตัว|thai id|thailand|identification"]),
        (.trTCKN, ["*": "tc kimlik|t.c. kimlik|kimlik no|kimlik|tckn|tc no|turkish id"]),
        (.twID, ["*": "身分證|身份證|taiwan|national id|統一編號"]), (.ukNHS, ["*": "nhs|national health|health service number|patient"]),
        (.ukNINO, ["*": "national insurance|nino|ni number|insurance number|ni no|nat ins"]),
        (.ukUTR, ["*": "utr|unique taxpayer|self assessment|tax reference"]),
        (.usSSN, ["*": "ssn|social security|soc sec|ss#|ss number|ssn#|ssns|social number|my social is"]),
        (.usITIN, ["*": "itin|taxpayer|tax id|tax identification|tax number|tin"]),
        (.usNPI, ["*": "npi|national provider|provider id|provider number"]),
        (.usDEA, ["*": "dea|drug enforcement|prescriber|controlled substance"]),
        (.usMBI, ["*": "mbi|medicare|beneficiary"]),
        (.zaID, ["*": "id number|identity number|south africa|rsa id|said|sa id|identiteitsnommer"]),
        (.imei, ["*": "imei|device|handset|serial|phone"]),
        (.vin, ["*": "vin|vehicle|chassis|fahrgestell|fahrzeug|telaio|bastidor|numer nadwozia|sasi no|car|numero de serie|fin"]),
        (
            .plate,
            [
                "en":
                    "license plate|licence plate|number plate|plate number|registration plate|plate no|plate|numberplate|vehicle registration",
                "de": "kennzeichen|nummernschild|autokennzeichen", "fr": "plaque d'immatriculation|immatriculation|plaque",
                "es": "matricula|placa",
                "it": "targa", "pl": "tablica rejestracyjna|numer rejestracyjny|nr rej", "pt": "matricula|placa",
                "nl": "kenteken|nummerplaat",
                "tr": "plaka",
            ]
        ),
        (.diagnosis, ["*": "icd|icd-10|icd10|diagnos|dx|diagnose|diagnostic|rozpoznanie|diagnostyk|tani kodu|teshis"]),
        (
            .medicalRecord,
            ["*": "mrn|medical record|patient id|patient number|patientennummer|numero de dossier|chart number|health record|patient no"]
        ),
        (.gps, ["*": "gps|latitude|longitude|coordinates|lat|lon|lng|location|koordinaten|coordonnees|coordenadas|coordinate|wspolrzedne"]),
        (.network, ["*": "ip|ip address|address|host|server|client|login|ssh|ping|from|gateway|dns|adresse|subnet|firewall"]),
        (
            .version,
            ["*": "version|versions|release|v|ver|build|firmware|upgrade|chapter|section|clause|article|figure|table|paragraph|rfc|oid"]
        ),
    ]
}
