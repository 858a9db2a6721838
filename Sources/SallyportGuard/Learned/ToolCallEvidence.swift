/// What the words of a tool call say against it that nothing in the user's request asked for: an effect in the tool's name (to delete, to pay,
/// to let in …), an address that the user never named, everything at once.
///
/// Tools of a house are named in words that the encoder has not seen; what a word does is the same everywhere. It only ever adds to the
/// encoder's doubt: nothing that a call says can speak for it.
enum ToolCallEvidence {
    /// Log-odds for each kind, and the most that all of them add.
    private static let graveEffect = 1.3
    private static let effect = 0.7
    private static let strangeAddress = 0.7
    private static let everything = 0.8
    private static let most = 2.2
    /// Of a request or of arguments no more than this is looked at.
    private static let longest = 16_384

    /// What a user asked for, read once for all calls that are held against it.
    struct Request {
        fileprivate let text: String
        /// nil: in letters that the words below are not written in; it says nothing.
        fileprivate let words: Set<Substring>?

        init(_ bytes: some Sequence<UInt8>) {
            let text = String(decoding: Array(bytes.prefix(ToolCallEvidence.longest)), as: UTF8.self).lowercased()
            self.text = text
            words = ToolCallEvidence.isMostlyLatin(text) ? ToolCallEvidence.stems(of: ToolCallEvidence.words(in: text)) : nil
        }
    }

    /// What a call would do, read once for all requests that it is held against.
    struct Call {
        fileprivate let effects: [Effect]
        fileprivate let arguments: String
        fileprivate let takesEverything: Bool

        /// - Parameter bytes: the tool call as `name({arguments})`.
        init(_ bytes: [UInt8]) {
            let border = bytes.firstIndex(of: UInt8(ascii: "(")) ?? bytes.endIndex
            let title = String(decoding: bytes[..<border].prefix(256), as: UTF8.self)
            let name = ToolCallEvidence.stems(of: ToolCallEvidence.words(in: ToolCallEvidence.parted(title)))
            let isReading = !name.isDisjoint(with: ToolCallEvidence.reading)
            effects = ToolCallEvidence.effects.filter { !(isReading && !$0.tellsSecrets) && !name.isDisjoint(with: $0.names) }
            arguments = String(decoding: bytes[border...].prefix(ToolCallEvidence.longest), as: UTF8.self)
            takesEverything = ToolCallEvidence.takesEverything(arguments)
        }
    }

    /// - Returns: log-odds, zero or more.
    static func weight(_ request: Request, _ call: Call) -> Double {
        guard let asked = request.words else { return 0 }
        var weight = 0.0
        let unasked = call.effects.filter { asked.isDisjoint(with: $0.names) && asked.isDisjoint(with: $0.requests) }
        if unasked.contains(where: \.isGrave) {
            weight += graveEffect
        } else if !unasked.isEmpty {
            weight += effect
        }
        if hasStrangeAddress(call.arguments, request.text) { weight += strangeAddress }
        if call.takesEverything, asked.isDisjoint(with: whole) { weight += everything }
        return min(weight, most)
    }

    // MARK: Words

    private static func isMostlyLatin(_ text: String) -> Bool {
        var letters = 0
        var foreign = 0
        for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
            letters += 1
            if scalar.value >= 0x250 { foreign += 1 }
        }
        return foreign * 2 <= letters
    }

    private static func words(in text: String) -> [Substring] {
        text.lowercased().split { !($0.isLetter || $0.isNumber) }.map { Substring($0) }
    }

    /// `deleteUser` is two words, as `delete_user` is.
    private static func parted(_ name: String) -> String {
        var parted = ""
        var wasSmall = false
        for character in name {
            if wasSmall, character.isUppercase { parted.append(" ") }
            wasSmall = character.isLowercase || character.isNumber
            parted.append(character)
        }
        return parted
    }

    /// With what is left of them without the commonest endings.
    private static func stems(of words: [Substring]) -> Set<Substring> {
        var stems = Set(words)
        for word in words {
            for ending in ["s", "es", "ed", "d", "ing", "en", "e", "n"] where word.hasSuffix(ending) && word.count - ending.count >= 3 {
                stems.insert(word.dropLast(ending.count))
            }
            if word.count > 5, word.hasSuffix("ing") { stems.insert(word.dropLast(3) + "e") }
        }
        return stems
    }

    // MARK: Arguments

    /// A mailbox, a web address or a bank account of which the request, in small letters, names no part.
    private static func hasStrangeAddress(_ arguments: String, _ request: String) -> Bool {
        arguments.split(whereSeparator: { $0.isWhitespace || "\"\\,;()[]{}<>".contains($0) }).contains { piece in
            let whole = piece.lowercased()
            let named: Substring
            if let at = whole.firstIndex(of: "@"), at != whole.startIndex, whole[at...].dropFirst().contains(".") {
                named = whole[..<at]
            } else if whole.hasPrefix("https://") || whole.hasPrefix("http://") {
                named = whole.drop { $0 != "/" }
            } else if isAccount(piece) {
                named = Substring(whole)
            } else {
                return false
            }
            if request.contains(whole) { return false }
            return !named.split { !($0.isLetter || $0.isNumber) }.contains { part in
                part.count > 2 && !unnamed.contains(part) && request.contains(part)
            }
        }
    }

    /// Two capitals, two digits, and eleven to thirty capitals and digits.
    private static func isAccount(_ piece: Substring) -> Bool {
        let bytes = Array(piece.utf8)
        guard (15...34).contains(bytes.count) else { return false }
        return bytes.indices.allSatisfy { index in
            let isCapital = bytes[index] >= 0x41 && bytes[index] <= 0x5A
            let isDigit = bytes[index] >= 0x30 && bytes[index] <= 0x39
            return index < 2 ? isCapital : index < 4 ? isDigit : isCapital || isDigit
        }
    }

    /// `"all"`, `"*"`, `"permanent": true` and the like.
    private static func takesEverything(_ arguments: String) -> Bool {
        let text = arguments.lowercased().filter { !$0.isWhitespace }
        return ["\"all\"", "\"*\"", "\"everyone\"", "\"anyone\"", "\"everything\"", "\"alle\"", "\"tous\"", "\"todos\""].contains {
            text.contains($0) && !text.contains($0 + ":false")
        } || ["permanent", "force", "recursive"].contains { text.contains("\"\($0)\":true") }
    }

    // MARK: What the words mean

    fileprivate struct Effect: Sendable {
        /// Words for it, of tools and of requests.
        let names: Set<Substring>
        /// Words of requests alone that ask for it too.
        let requests: Set<Substring>
        var isGrave = true
        /// Reading what it names is enough to do harm.
        var tellsSecrets = false

        init(_ names: String, requests: String, isGrave: Bool = true, tellsSecrets: Bool = false) {
            self.names = ToolCallEvidence.set(names)
            self.requests = ToolCallEvidence.set(requests)
            self.isGrave = isGrave
            self.tellsSecrets = tellsSecrets
        }
    }

    private static func set(_ words: String) -> Set<Substring> { Set(words.split(whereSeparator: \.isWhitespace)) }

    private static let effects = [
        // To destroy.
        Effect(
            """
            delete remove drop wipe scrap deregister stornieren storno loesche kuendigen purge erase clear destroy revoke terminate uninstall discard trash empty unsubscribe cancel annul
            löschen loeschen lösche entfernen absagen kündigen kündige supprimer effacer vider annuler borrar borra eliminar elimina anular
            cancella cancellare excluir apagar remover usun usuń skasuj anulować odwołaj sil kaldir verwijder verwijderen
            """,
            requests:
                "restart reset replace quit leave decline close archive off out away rid undo strike get sag absag raus weg supprime efface vide annule quita tira togli leva zdejmij"
        ),
        // To put out of action.
        Effect(
            """
            disable deactivate off stop kill override waive shutdown shut block suspend mute bypass abschalten ausschalten deaktivieren désactiver desactiver desactivar
            disattiva wyłącz kapat
            """, requests: "close end pause hold turn out schalte éteins apaga spegni"),
        // To pay, to buy, to give away.
        Effect(
            """
            pay transfer refund buy sell purchase wire payment payout withdraw donate book reserve checkout subscribe charge reimburse
            überweise überweisen zahle bezahle bestell bestelle payer paie vire virement commande pagar paga transfiere pide rimborsa ordina
            zapłać przelej zamów öde bezahl
            """,
            requests: """
                order reorder booking bookings bill invoice money euros dollars price room table ticket tickets flight buche buchen réserve
                réserver reserva reservar prenota rezerwuj rechnung facture
                """),
        // To let somebody in.
        Effect(
            """
            grant approve permit allow unlock authorize authorise admin promote elevate access accept confirm sign open freigeben genehmige
            autoriser approuve aprueba approva zatwierdź onayla
            """, requests: "owner invite add share give let take entitle off gib gebt donne da dai daj öffne ouvre abre apri otwórz"),
        // To tell what is secret.
        Effect(
            "secret secrets password passwords key keys token tokens credential credentials dump passwort contraseña hasło",
            requests: "login sign", tellsSecrets: true),
        // To send on.
        Effect(
            """
            send forward export share upload publish post notify remind tell inform reply answer write let invite transmit submit deliver push
            tweet sms call announce broadcast notification email emails mail schicken schicke schick sende senden weiterleiten leite antworte
            schreib schreibe envoyer envoie écris envía enviar manda escribe invia inviare scrivi wyślij wyslij napisz gönder verstuur stuur
            """,
            requests: """
                ask message messages chat contact ping quote quotes note draft fire collect translate store archive add backup save copy
                transcribe download pdf fichier
                """, isGrave: false),
        // To change.
        Effect(
            """
            update set write modify flash change edit rename replace move reset install overwrite adjust patch correct fix turn dim raise lower
            put increase decrease switch ändern ändere aktualisiere modifier changer change cambia cambiar zmień değiştir
            """,
            requests: """
                reschedule rotate translate store save make create restart add append record reject accept close open mark instead transcribe
                log tag label assign start cancel sort clean format schedule delay postpone verschiebe stelle mets pon metti ustaw
                """, isGrave: false),
    ]

    /// What only looks.
    private static let reading = set(
        """
        get list search find read show look lookup query check fetch view track status count summarize summarise describe calculate translate
        history compare preview download print lesen suche suchen zeige chercher cherche lire buscar busca leer cerca leggi zoek szukaj ara
        """)
    /// What asks for everything.
    private static let whole = set(
        "all every everything everyone each whole entire complete anyone alle jede tous toutes todo todos tutti wszystkie hepsi")
    /// Parts of addresses that name nobody.
    private static let unnamed = set("http https www com org net example")
}
