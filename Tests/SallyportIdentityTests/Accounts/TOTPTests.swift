import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct TOTPTests {
    /// RFC 6238, appendix B, SHA-1.
    @Test(
        arguments: [
            (59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"), (20_000_000_000, "65353130"),
        ] as [(Int64, String)])
    func makesTheCodesOfTheStandard(at time: Int64, code: String) {
        #expect(TOTP.code(Array("12345678901234567890".utf8), counter: time / 30, digits: 8) == code)
    }

    @Test func takesACodeOnceAndOneStepOff() {
        let seed = Array("12345678901234567890".utf8)
        let now: Int64 = 1_234_567_890
        let step = now / 30
        for offset in Int64(-2)...2 {
            let accepted = TOTP.accept(TOTP.code(seed, counter: step + offset), seed: seed, after: 0, at: now)
            #expect(accepted == (abs(offset) <= 1 ? step + offset : nil))
        }
        let code = TOTP.code(seed, counter: step)
        #expect(TOTP.accept(code, seed: seed, after: step, at: now) == nil, "a replay")
        #expect(TOTP.accept("12 34", seed: seed, after: 0, at: now) == nil)
    }

    /// RFC 4648, section 10.
    @Test func writesBase32AsTheStandard() {
        #expect(
            ["f", "fo", "foo", "foob", "fooba", "foobar"].map { Base32.encode(Array($0.utf8)) }
                == ["MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"])
    }

    @Test func readsRecoveryCodesHoweverTheyAreTyped() {
        let code = RecoveryCode.make { [UInt8](repeating: 0xA5, count: $0) }
        #expect(code.utf8.count == 19 && RecoveryCode.hash(code) == RecoveryCode.hash(code.lowercased().replacing("-", with: " ")))
        #expect(RecoveryCode.hash(code) != RecoveryCode.hash(String(code.dropLast())))
    }

    @Test func waitsLongerWithEveryFailure() {
        let now: Int64 = 1_000_000
        func wait(_ count: Int, _ rule: SignInThrottle.Rule) -> Int64 {
            SignInThrottle.wait(.init(count: count, lastAt: now), rule, at: now)
        }
        #expect((0..<12).map { wait($0, SignInThrottle.pair) } == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64])
        #expect(wait(1000, SignInThrottle.pair) == 900 && wait(1000, SignInThrottle.account) == 60)
        #expect(SignInThrottle.wait(.init(count: 1000, lastAt: now - 86_400), SignInThrottle.pair, at: now) == 0)
    }
}
