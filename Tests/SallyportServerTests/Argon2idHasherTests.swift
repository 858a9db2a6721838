import SallyportPasswords
import Testing

@Suite struct Argon2idHasherTests {
    /// From the reference implementation's own tests.
    @Test func agreesWithTheReferenceVector() throws {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        #expect(try Argon2idHasher().verify(Array("password".utf8), against: hash))
        #expect(try Argon2idHasher().verify(Array("Password".utf8), against: hash) == false)
    }

    @Test func saltsEachHashAndKeepsItsCost() throws {
        let hasher = Argon2idHasher(cost: .init(memory: 1024, passes: 1))
        let (a, b) = (try hasher.hash(Array("same".utf8)), try hasher.hash(Array("same".utf8)))
        #expect(a != b && a.hasPrefix("$argon2id$v=19$m=1024,t=1,p=1$"))
        for hash in [a, b] { #expect(try hasher.verify(Array("same".utf8), against: hash)) }
        #expect(try Argon2idHasher().hash(Array("x".utf8)).hasPrefix("$argon2id$v=19$m=65536,t=3,p=1$"))
    }

    @Test func neverSaysYesOrNoToWhatIsNoHash() {
        for text in ["", "$argon2id$", "$2b$12$abc", "plain"] {
            #expect(throws: (any Error).self) { try Argon2idHasher().verify(Array("x".utf8), against: text) }
        }
    }
}
