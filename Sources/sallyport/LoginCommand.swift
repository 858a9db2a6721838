import ArgumentParser
import Foundation
import SallyportServer

/// The session that the command line keeps: a file that only its owner can read.
struct SavedSession: Codable {
    var url: String
    var token: String
    var principal: String
    var authorities: String?

    static var file: String {
        let environment = ProcessInfo.processInfo.environment
        let base = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? "\(NSHomeDirectory())/.config"
        return environment["SALLYPORT_SESSION"] ?? "\(base)/sallyport/session.json"
    }

    static func load() throws -> SavedSession {
        guard let bytes = FileManager.default.contents(atPath: file),
            let session = try? JSONDecoder().decode(SavedSession.self, from: bytes)
        else { throw ValidationError("You are not signed in: sallyport login --url https://…") }
        return session
    }

    func save() throws {
        let folder = URL(fileURLWithPath: Self.file).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        unlink(Self.file)
        let file = open(Self.file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw ValidationError("\(Self.file) cannot be written.") }
        defer { close(file) }
        let bytes = Array(try JSONEncoder().encode(self))
        guard write(file, bytes, bytes.count) == bytes.count else { throw ValidationError("\(Self.file) cannot be written.") }
    }

    func client() throws -> ConsoleClient { try ConsoleClient(url, authoritiesFile: authorities) }
}

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Sign in at an administrative surface: a browser lets this program in.",
        discussion:
            "Shows a code to type at /device in a browser where you are signed in, and waits. The session is kept in a file of yours.")
    @Option(help: "Where the surface is.") var url: String
    @Option(help: "Certificate authorities to trust instead of the system's.") var caFile: String?

    private struct Begun: Decodable {
        let deviceCode: String
        let userCode: String
        let verificationUri: String
        let expiresIn: Int
        let interval: Int
    }
    private struct Token: Decodable {
        let token: String
        let principal: String
        let expiresAt: String
    }

    func run() async throws {
        let client = try ConsoleClient(url, authoritiesFile: caFile)
        let name = "sallyport on \(ProcessInfo.processInfo.hostName)".prefix(64)
        let begun: Begun = try CLIAnswer.decode(
            try await client.send("POST", "/api/device", body: Array(try JSONEncoder().encode(["client": String(name)]))))
        // Not buffered: who reads it through a pipe must see it before it is answered.
        FileHandle.standardOutput.write(Data("Open \(begun.verificationUri) and type the code \(begun.userCode)\n".utf8))
        let end = Date().addingTimeInterval(TimeInterval(begun.expiresIn))
        let poll = Array(try JSONEncoder().encode(["deviceCode": begun.deviceCode]))
        while Date() < end {
            try await Task.sleep(for: .seconds(begun.interval))
            let answer = try await client.send("POST", "/api/device/token", body: poll)
            if answer.status == 428 { continue }
            let token: Token = try CLIAnswer.decode(answer)
            try SavedSession(url: url, token: token.token, principal: token.principal, authorities: caFile).save()
            print("Signed in as \(token.principal) until \(token.expiresAt).")
            await client.close()
            return
        }
        await client.close()
        throw ValidationError("Nobody let this program in.")
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "logout", abstract: "End the session that 'login' began.")

    func run() async throws {
        let session = try SavedSession.load()
        let client = try session.client()
        let answer = try await client.send("POST", "/api/session/end", body: Array("{}".utf8), token: session.token)
        await client.close()
        unlink(SavedSession.file)
        // Over already is as good as ended now.
        guard answer.status == 204 || answer.status == 401 else { throw CLIAnswer.refusal(answer) }
        print("Signed out.")
    }
}

struct WhoAmICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Who you are at the administrative surface, and what you may do.")

    func run() async throws {
        let session = try SavedSession.load()
        let client = try session.client()
        let answer = try await client.send("GET", "/api/whoami", token: session.token)
        await client.close()
        guard answer.status == 200 else { throw CLIAnswer.refusal(answer) }
        print(String(decoding: answer.body, as: UTF8.self))
    }
}

struct CallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Call the administrative surface with the session that 'login' began.",
        discussion:
            "For example: sallyport call GET /api/keys, or: sallyport call POST /api/keys --body '{\"name\":\"app\"}'. Routes: docs/access-matrix.md."
    )
    @Argument(help: "GET, POST, PUT, PATCH or DELETE.") var method: String
    @Argument(help: "The path.") var path: String
    @Option(help: "JSON to send; @FILE reads a file.") var body: String?

    func run() async throws {
        let session = try SavedSession.load()
        let bytes = try body.map { text -> [UInt8] in
            guard text.hasPrefix("@") else { return Array(text.utf8) }
            guard let data = FileManager.default.contents(atPath: String(text.dropFirst())) else {
                throw ValidationError("\(text.dropFirst()) cannot be read.")
            }
            return Array(data)
        }
        let client = try session.client()
        let answer = try await client.send(method.uppercased(), path, body: bytes, token: session.token)
        await client.close()
        guard answer.status < 400 else { throw CLIAnswer.refusal(answer) }
        if !answer.body.isEmpty { print(String(decoding: answer.body, as: UTF8.self)) }
    }
}

/// What the surface answers, for people.
enum CLIAnswer {
    private struct Refusal: Decodable {
        struct Inner: Decodable {
            let code: String
            let message: String
        }
        let error: Inner
    }

    static func decode<Value: Decodable>(_ answer: ConsoleClient.Answer) throws -> Value {
        guard answer.status < 300 else { throw refusal(answer) }
        return try JSONDecoder().decode(Value.self, from: Data(answer.body))
    }

    static func refusal(_ answer: ConsoleClient.Answer) -> ValidationError {
        guard let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(answer.body)) else {
            return ValidationError("The surface answered \(answer.status).")
        }
        return ValidationError("\(refusal.error.code): \(refusal.error.message)")
    }
}
