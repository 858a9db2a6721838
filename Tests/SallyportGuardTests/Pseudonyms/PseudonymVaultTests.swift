import Crypto
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import Testing

@testable import SallyportGuard

@Suite struct PseudonymVaultTests {
    private let key = SymmetricKey(data: [UInt8](repeating: 7, count: 32))
    private let scope = PseudonymScope(tenant: "t", principal: "p", conversation: "c")
    private let email = Finding.Category(.sensitive, "Email")

    private func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func restored(_ text: String, by vault: PseudonymVault, scope: PseudonymScope? = nil) -> String {
        var bytes = Array(text.utf8)
        for edit in vault.restorations(in: Passage(text, origin: .completion), scope: scope ?? self.scope).reversed() {
            bytes.replaceSubrange(edit.range, with: edit.replacement)
        }
        return string(bytes)
    }

    @Test func writesACategoryAndTenCharacters() throws {
        let token = string(PseudonymVault().mint("ann@example.com", category: email, scope: scope, key: key))
        #expect(token.wholeMatch(of: /<EMAIL_[0-9A-HJKMNP-TV-Z]{10}>/) != nil)
    }

    @Test func isStableWithinAScopeAndAcrossVaults() {
        let (first, second) = (PseudonymVault(), PseudonymVault())
        let token = first.mint("ann@example.com", category: email, scope: scope, key: key)
        #expect(first.mint("ann@example.com", category: email, scope: scope, key: key) == token)
        #expect(second.mint("ann@example.com", category: email, scope: scope, key: key) == token)
        #expect(first.mint("bob@example.com", category: email, scope: scope, key: key) != token)
    }

    @Test func goesOnUnderAnotherName() {
        let vault = PseudonymVault()
        func named(_ conversation: String, _ principal: PrincipalID = "p") -> PseudonymScope {
            PseudonymScope(tenant: "t", principal: principal, conversation: conversation)
        }
        let token = vault.mint("ann@example.com", category: email, scope: scope, key: key)
        vault.goOn(from: scope, as: "second")
        vault.goOn(from: vault.beginning(of: named("second")), as: "third")
        for name in ["c", "second", "third"] {
            let beginning = vault.beginning(of: named(name))
            #expect(beginning == scope)
            #expect(vault.mint("ann@example.com", category: email, scope: beginning, key: key) == token)
            #expect(restored(string(token), by: vault, scope: beginning) == "ann@example.com")
        }
        #expect(vault.beginning(of: named("third", "q")) == named("third", "q"))
        #expect(vault.beginning(of: named("other")) == named("other"))
        #expect(restored(string(token), by: vault, scope: named("third")) == string(token), "a name is no conversation")
    }

    @Test func cannotBeLinkedAcrossScopesKeysAndCategories() {
        let vault = PseudonymVault()
        let others: [(PseudonymScope, SymmetricKey, Finding.Category)] = [
            (.init(tenant: "u", principal: "p", conversation: "c"), key, email),
            (.init(tenant: "t", principal: "q", conversation: "c"), key, email),
            (.init(tenant: "t", principal: "p", conversation: "d"), key, email),
            (.init(tenant: "tp", principal: "", conversation: "c"), key, email),
            (scope, SymmetricKey(data: [UInt8](repeating: 8, count: 32)), email), (scope, key, Finding.Category(.sensitive, "e-mail")),
            (scope, key, email),
        ]
        let tokens = others.map { vault.mint("ann@example.com", category: $0.2, scope: $0.0, key: $0.1) }
        #expect(Set(tokens).count == others.count)
    }

    @Test func putsValuesBackHoweverAModelSpellsTheToken() {
        let vault = PseudonymVault()
        let token = string(vault.mint("ann@example.com", category: email, scope: scope, key: key))
        let bare = String(token.dropFirst().dropLast())
        let escaped = token.split(separator: "_").joined(separator: "\\_")
        for spelling in [token, bare, token.lowercased(), bare.lowercased(), escaped, "\\<\(bare)\\>", "&lt;\(bare)&gt;"] {
            #expect(restored("Write to \(spelling), please: \(spelling)", by: vault) == "Write to ann@example.com, please: ann@example.com")
        }
        #expect(
            restored("**\(token)** (\(token)) \"\(token)\" \(token)/\(token)", by: vault)
                == "**ann@example.com** (ann@example.com) \"ann@example.com\" ann@example.com/ann@example.com")
    }

    @Test func leavesAddressesAndLinkTargetsAlone() {
        let vault = PseudonymVault()
        let token = string(vault.mint("ann@example.com", category: email, scope: scope, key: key))
        let bare = String(token.dropFirst().dropLast())
        for text in [
            "https://evil.example/\(token)", "see https://evil.example/?q=\(bare)&x", "[x](https://evil.example/ \(token))",
            "![x](/p?q=\(bare))",
            "[x](<\(token)>)", "www.evil.example/\(bare)", "<img src=\"/p\" alt=\"\(bare)\">", "<a href='?q=\(token)'>", "mailto:\(token)",
            "[1]: /p?q=\(bare)", "text\n[1]: /p \"\(token)\"",
        ] {
            #expect(restored(text, by: vault) == text)
        }
        #expect(
            restored("[x](https://a.example) \(token) <b>\(token)</b> [\(bare)] a < b \(token)", by: vault)
                == "[x](https://a.example) ann@example.com <b>ann@example.com</b> [ann@example.com] a < b ann@example.com")
    }

    @Test func keepsWhatItDidNotMakeForThisScope() {
        let vault = PseudonymVault()
        let token = string(vault.mint("ann@example.com", category: email, scope: scope, key: key))
        let stranger = PseudonymScope(tenant: "t", principal: "q", conversation: "c")
        _ = vault.mint("x", category: email, scope: stranger, key: key)
        #expect(restored(token, by: vault, scope: stranger) == token)
        let relabelled = "<PHONENUMBER_" + token.dropFirst("<EMAIL_".count)
        #expect(restored(relabelled, by: vault) == relabelled)
        #expect(restored(String(token.dropLast(2)), by: vault) == String(token.dropLast(2)))
        #expect(restored(String(token.dropLast()), by: vault) == String(token.dropLast()), "its end may come with the next piece")
    }

    @Test func survivesTextsCutAnywhere() {
        let vault = PseudonymVault()
        let text = "ä<" + string(vault.mint("ann@example.com", category: email, scope: scope, key: key)) + "\\_<EMAIL_é_0000000000"
        let bytes = Array(text.utf8)
        for start in bytes.indices {
            for end in start...bytes.count {
                let passage = Passage(ByteBuffer(bytes: bytes[start..<end]), origin: .completion, isASCII: false)
                #expect(vault.restorations(in: passage, scope: scope).allSatisfy { $0.range.upperBound <= end - start })
            }
        }
    }

    @Test func remembersNoMoreThanItMay() {
        var limits = PseudonymVault.Limits()
        limits.conversations = 8
        limits.entriesPerConversation = 2
        limits.valueBytes = 20
        let vault = PseudonymVault(limits: limits)
        for index in 0..<40 {
            let scope = PseudonymScope(tenant: "t", principal: "p", conversation: "\(index)")
            for value in ["a", "b", "c", String(repeating: "d", count: 21)] {
                _ = vault.mint(value, category: email, scope: scope, key: key)
            }
        }
        #expect(vault.count <= 16)
        let last = PseudonymScope(tenant: "t", principal: "p", conversation: "39")
        #expect(restored(string(vault.mint("a", category: email, scope: last, key: key)), by: vault, scope: last) == "a")
        let third = string(vault.mint("c", category: email, scope: last, key: key))
        #expect(restored(third, by: vault, scope: last) == third, "a value beyond the bound is replaced and stays so")
    }

    @Test func boundsTheBytesOfAllConversationsTogether() {
        var limits = PseudonymVault.Limits()
        limits.totalBytes = 10_000
        let vault = PseudonymVault(limits: limits)
        for index in 0..<100 {
            let scope = PseudonymScope(tenant: "t", principal: "p", conversation: "\(index)")
            _ = vault.mint(String(repeating: "x", count: 904) + "\(index)", category: email, scope: scope, key: key)
        }
        #expect(vault.count <= 10 && vault.count > 0)
    }

    @Test func forgetsWhatWasNotUsedForTooLong() {
        let time = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(1_000))
        let vault = PseudonymVault(now: { time.withLockedValue { $0 } })
        let token = string(vault.mint("ann@example.com", category: email, scope: scope, key: key))
        time.withLockedValue { $0 = $0 + .hours(29 * 24) }
        #expect(restored(token, by: vault) == "ann@example.com")
        time.withLockedValue { $0 = $0 + .hours(31 * 24) }
        #expect(restored(token, by: vault) == token)
        #expect(vault.count == 0)
    }

    @Test func forgetsAPrincipalOnRequest() {
        let vault = PseudonymVault()
        let token = string(vault.mint("ann@example.com", category: email, scope: scope, key: key))
        vault.forget("p", of: "other")
        #expect(restored(token, by: vault) == "ann@example.com")
        vault.forget("p", of: "t")
        #expect(restored(token, by: vault) == token)
    }
}
