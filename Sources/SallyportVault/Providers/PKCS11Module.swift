import CPKCS11
import NIOConcurrencyHelpers
import SallyportCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A PKCS#11 module, loaded at run time, with one session that is logged in. Calls are serialised: a token is asked seldom.
///
/// A session that the token has closed, or that a fork or a reset took away, is opened anew once per call.
final class PKCS11Module: Sendable {
    struct Failure: Error {
        let call: String
        let code: UInt
    }

    private struct State { var session: UInt? }

    // SAFETY: the list is the module's own and constant; what it is called with is guarded by `state`.
    nonisolated(unsafe) private let functions: UnsafeMutablePointer<ck_function_list>
    private let token: String
    private let pin: Redacted<String>
    private let state = NIOLockedValueBox(State())

    /// Initialises the module; logs in with the first use.
    /// - Throws: ``SealError`` `.unavailable`.
    init(path: String, token: String, pin: Redacted<String>) throws {
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else { throw SealError.unavailable("\(path) cannot be loaded") }
        guard let symbol = dlsym(handle, "C_GetFunctionList") else { throw SealError.unavailable("\(path) is no PKCS#11 module") }
        typealias GetFunctionList = @convention(c) (UnsafeMutablePointer<UnsafeMutablePointer<ck_function_list>?>) -> UInt
        var list: UnsafeMutablePointer<ck_function_list>?
        // SAFETY: the standard gives this symbol this type.
        guard unsafeBitCast(symbol, to: GetFunctionList.self)(&list) == 0, let list else {
            throw SealError.unavailable("\(path) is no PKCS#11 module")
        }
        functions = list
        self.token = token
        self.pin = pin
        var arguments = ck_c_initialize_args()
        arguments.flags = UInt(CKF_OS_LOCKING_OK)
        let code = list.pointee.C_Initialize(&arguments)
        // Another provider of this process may have initialised the module already.
        guard code == 0 || code == UInt(CKR_CRYPTOKI_ALREADY_INITIALIZED) else {
            throw SealError.unavailable("\(path) cannot be initialised (\(Self.spelled(code)))")
        }
    }

    // MARK: Sessions

    /// Runs `body` in a session; once more in a new one when the first is gone.
    private func withSession<T>(_ body: (UInt) throws -> T) throws -> T {
        try state.withLockedValue { state in
            for attempt in 0..<2 {
                let session = try state.session ?? open()
                state.session = session
                do { return try body(session) } catch let failure as Failure where attempt == 0 && Self.isSessionLost(failure.code) {
                    _ = functions.pointee.C_CloseSession(session)
                    state.session = nil
                }
            }
            throw SealError.unavailable("the token \(token) closes every session")
        }
    }

    private static func isSessionLost(_ code: UInt) -> Bool {
        [CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT].contains {
            UInt($0) == code
        }
    }

    private func open() throws -> UInt {
        let slot = try slot()
        var session: UInt = 0
        try check(functions.pointee.C_OpenSession(slot, UInt(CKF_SERIAL_SESSION | CKF_RW_SESSION), nil, nil, &session), "C_OpenSession")
        var secret = Array(pin.reveal().utf8)
        defer { clear(&secret) }
        let code = functions.pointee.C_Login(session, UInt(CKU_USER), &secret, UInt(secret.count))
        if code != 0, code != UInt(CKR_USER_ALREADY_LOGGED_IN) {
            _ = functions.pointee.C_CloseSession(session)
            if code == UInt(CKR_PIN_INCORRECT) || code == UInt(CKR_PIN_LOCKED) || code == UInt(CKR_PIN_EXPIRED) {
                throw SealError.revoked("the token \(token) refuses the PIN (\(Self.spelled(code)))")
            }
            throw SealError.unavailable("the token \(token) refuses the login (\(Self.spelled(code)))")
        }
        return session
    }

    private func slot() throws -> UInt {
        var count: UInt = 0
        try check(functions.pointee.C_GetSlotList(1, nil, &count), "C_GetSlotList")
        var slots = [UInt](repeating: 0, count: Int(count))
        try check(functions.pointee.C_GetSlotList(1, &slots, &count), "C_GetSlotList")
        for slot in slots.prefix(Int(count)) {
            var info = ck_token_info()
            guard functions.pointee.C_GetTokenInfo(slot, &info) == 0 else { continue }
            let label = withUnsafeBytes(of: info.label) { String(decoding: $0, as: UTF8.self) }
            // Padded with blanks to 32 bytes.
            if label.reversed().drop(while: { $0 == " " }).reversed().elementsEqual(token) { return slot }
        }
        throw SealError.unavailable("there is no token with the label \(token)")
    }

    private func check(_ code: UInt, _ call: String) throws { guard code == 0 else { throw Failure(call: call, code: code) } }

    static func spelled(_ code: UInt) -> String { "0x" + String(code, radix: 16) }

    // MARK: Keys

    /// Labels of AES keys on the token.
    func labels() throws -> [String] {
        try withSession { session in
            try find(session, [.init(CKA_CLASS, .number(UInt(CKO_SECRET_KEY))), .init(CKA_KEY_TYPE, .number(UInt(CKK_AES)))]).compactMap {
                label(session, $0)
            }
        }
    }

    /// An AES-256 key that encrypts and decrypts, and never leaves the token.
    func makeKey(_ label: String) throws {
        try withSession { session in
            var mechanism = ck_mechanism(mechanism: UInt(CKM_AES_KEY_GEN), parameter: nil, parameter_len: 0)
            var key: UInt = 0
            let template: [Attribute] = [
                .init(CKA_TOKEN, .flag(true)), .init(CKA_PRIVATE, .flag(true)), .init(CKA_SENSITIVE, .flag(true)),
                .init(CKA_EXTRACTABLE, .flag(false)), .init(CKA_VALUE_LEN, .number(32)), .init(CKA_ENCRYPT, .flag(true)),
                .init(CKA_DECRYPT, .flag(true)), .init(CKA_LABEL, .bytes(Array(label.utf8))), .init(CKA_ID, .bytes(Array(label.utf8))),
            ]
            try withTemplate(template) { pointer, count in
                try check(functions.pointee.C_GenerateKey(session, &mechanism, pointer, count, &key), "C_GenerateKey")
            }
        }
    }

    enum Direction { case encrypt, decrypt }

    /// AES-256-GCM on the token, with a tag of 16 bytes at the end.
    /// - Returns: nil when the token has no such key.
    func gcm(_ direction: Direction, key label: String, nonce: [UInt8], associated: [UInt8], _ data: [UInt8]) throws -> [UInt8]? {
        try withSession { session in
            let keys = try find(session, [.init(CKA_CLASS, .number(UInt(CKO_SECRET_KEY))), .init(CKA_LABEL, .bytes(Array(label.utf8)))])
            guard let key = keys.first else { return nil }
            // Two keys with one label: which of them is meant cannot be known.
            guard keys.count == 1 else { throw SealError.unavailable("the token has several keys with the label \(label)") }
            var (nonce, associated, data) = (nonce, associated, data)
            var out = [UInt8](repeating: 0, count: data.count + 32)
            var length = UInt(out.count)
            try nonce.withUnsafeMutableBufferPointer { nonce in
                try associated.withUnsafeMutableBufferPointer { associated in
                    var parameters = sallyport_gcm_params(
                        iv: nonce.baseAddress, iv_len: UInt(nonce.count), iv_bits: UInt(nonce.count * 8), aad: associated.baseAddress,
                        aad_len: UInt(associated.count), tag_bits: 128)
                    try withUnsafeMutableBytes(of: &parameters) { bytes in
                        var mechanism = ck_mechanism(
                            mechanism: UInt(CKM_AES_GCM), parameter: bytes.baseAddress, parameter_len: UInt(bytes.count))
                        switch direction {
                        case .encrypt:
                            try check(functions.pointee.C_EncryptInit(session, &mechanism, key), "C_EncryptInit")
                            try check(functions.pointee.C_Encrypt(session, &data, UInt(data.count), &out, &length), "C_Encrypt")
                        case .decrypt:
                            try check(functions.pointee.C_DecryptInit(session, &mechanism, key), "C_DecryptInit")
                            try check(functions.pointee.C_Decrypt(session, &data, UInt(data.count), &out, &length), "C_Decrypt")
                        }
                    }
                }
            }
            defer { clear(&out) }
            return Array(out.prefix(Int(length)))
        }
    }

    // MARK: Attributes

    private struct Attribute {
        enum Value {
            case flag(Bool)
            case number(UInt)
            case bytes([UInt8])
        }
        let type: UInt
        let value: Value
        init(_ type: some BinaryInteger, _ value: Value) {
            self.type = UInt(type)
            self.value = value
        }
    }

    private func withTemplate<T>(_ attributes: [Attribute], _ body: (UnsafeMutablePointer<ck_attribute>, UInt) throws -> T) throws -> T {
        var values: [UnsafeMutableRawBufferPointer] = []
        defer { for value in values { value.deallocate() } }
        var template = attributes.map { attribute -> ck_attribute in
            let bytes: [UInt8] =
                switch attribute.value {
                case .flag(let flag): [flag ? 1 : 0]
                case .number(let number): withUnsafeBytes(of: number, Array.init)
                case .bytes(let bytes): bytes
                }
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
            memory.copyBytes(from: bytes)
            values.append(memory)
            return ck_attribute(type: attribute.type, value: memory.baseAddress, value_len: UInt(bytes.count))
        }
        return try template.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("a template has attributes") }
            return try body(start, UInt(buffer.count))
        }
    }

    private func find(_ session: UInt, _ attributes: [Attribute]) throws -> [UInt] {
        try withTemplate(attributes) { try check(functions.pointee.C_FindObjectsInit(session, $0, $1), "C_FindObjectsInit") }
        defer { _ = functions.pointee.C_FindObjectsFinal(session) }
        var found: [UInt] = []
        while true {
            var page = [UInt](repeating: 0, count: 32)
            var count: UInt = 0
            try check(functions.pointee.C_FindObjects(session, &page, UInt(page.count), &count), "C_FindObjects")
            if count == 0 { return found }
            found += page.prefix(Int(count))
        }
    }

    private func label(_ session: UInt, _ object: UInt) -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        return bytes.withUnsafeMutableBytes { buffer -> String? in
            var attribute = ck_attribute(type: UInt(CKA_LABEL), value: buffer.baseAddress, value_len: UInt(buffer.count))
            guard functions.pointee.C_GetAttributeValue(session, object, &attribute, 1) == 0, attribute.value_len <= 256 else { return nil }
            return String(decoding: buffer.prefix(Int(attribute.value_len)), as: UTF8.self)
        }
    }
}
