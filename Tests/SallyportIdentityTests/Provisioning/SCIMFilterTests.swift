import Testing

@testable import SallyportIdentity

@Suite struct SCIMFilterTests {
    private let user: [String: SCIMValue] = [
        "userName": .string("bjensen@example.com"), "externalId": .string("Bjensen"), "active": .bool(true), "title": .string("Tour Guide"),
        "name": .object(["familyName": .string("O'Malley"), "givenName": .string("Barbara")]),
        "emails": .array([
            .object(["value": .string("bjensen@example.com"), "type": .string("work"), "primary": .bool(true)]),
            .object(["value": .string("babs@jensen.org"), "type": .string("home")]),
        ]),
        "meta": .object(["lastModified": .string("2011-05-13T04:42:34Z"), "resourceType": .string("User")]),
        SCIMSchema.enterpriseID: .object(["department": .string("Tour Operations")]),
    ]

    private func matches(_ text: String) throws -> Bool { try SCIMFilter(text).matches(user, in: .user) }

    /// The examples of RFC 7644, section 3.4.2.2.
    @Test(arguments: [
        (#"userName eq "bjensen@example.com""#, true), (#"name.familyName co "O'Malley""#, true), (#"userName sw "J""#, false),
        (#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "B""#, true), ("title pr", true),
        (#"meta.lastModified gt "2011-05-13T04:42:34Z""#, false), (#"meta.lastModified ge "2011-05-13T04:42:34Z""#, true),
        (#"meta.lastModified lt "2011-05-13T04:42:34Z""#, false), (#"meta.lastModified le "2011-05-13T04:42:34Z""#, true),
        (#"title pr and userType eq "Employee""#, false), (#"title pr or userType eq "Intern""#, true),
        (#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#, false),
        (#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#, false),
        (#"userType ne "Employee" and not (emails co "example.net" or emails.value co "example.org")"#, true),
        (#"emails.type eq "work""#, true), (#"emails[type eq "work" and value co "@example.com"]"#, true),
        (#"emails[type eq "home" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#, false),
    ])
    func theExamplesOfTheStandardAreUnderstood(text: String, expected: Bool) throws { #expect(try matches(text) == expected) }

    @Test(arguments: [
        (#"USERNAME EQ "BJENSEN@EXAMPLE.COM""#, true), (#"externalId eq "bjensen""#, false), (#"externalId eq "Bjensen""#, true),
        ("active eq true", true), (#"active eq "True""#, true), ("active eq false", false), ("nickName pr", false),
        ("nickName eq null", true),
        ("title ne null", true), (#"not (title pr)"#, false), (#"title pr AND NOT (active eq false)"#, true),
        (#"a eq "1" or title pr and active eq true"#, true), (#"(a eq "1" or title pr) and active eq false"#, false),
        (#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour operations""#, true),
        (#"userName eq "bjensen\u0040example.com""#, true), (#"emails eq "babs@jensen.org""#, true), (#"emails ne "x""#, true),
    ])
    func caseAndPrecedenceAreTheStandards(text: String, expected: Bool) throws { #expect(try matches(text) == expected) }

    @Test(arguments: [
        "", " ", "userName", "userName eq", "userName eq bjensen", #"userName xx "a""#, #"userName eq "a"#, #"userName eq "a" and"#,
        #"(userName eq "a""#, #"userName eq "a")"#, #"emails[type eq "work""#, #"eq "a""#, #"userName eq "a" title pr"#,
        #"userName co true"#, #"userName gt null"#, #"9name eq "a""#, #"name..x eq "a""#, #"a.b.c eq "a""#, #"userName eq "\x41""#,
        #"userName eq "\ud800""#, "userName eq \"a\u{0}\"", "not title pr", "userName eq \"a\" & title pr", "urn:x eq", "\u{202E}x pr",
        "userName eq 1e999", "userName eq -", "'; DROP TABLE provisioned_user; --",
    ])
    func whatIsNoFilterIsRefused(text: String) {
        #expect { try SCIMFilter(text) } throws: { ($0 as? SCIMFault)?.kind == .invalidFilter }
    }

    @Test func lengthTermsAndDepthAreBounded() {
        let deep = String(repeating: "(", count: 40) + "title pr" + String(repeating: ")", count: 40)
        let nested = String(repeating: "emails[", count: 40) + "type pr" + String(repeating: "]", count: 40)
        let many = Array(repeating: "title pr", count: 100).joined(separator: " or ")
        let long = "userName eq \"\(String(repeating: "a", count: 3000))\""
        for text in [deep, nested, many, long, String(repeating: "not (", count: 300)] {
            #expect { try SCIMFilter(text) } throws: { ($0 as? SCIMFault)?.kind == .invalidFilter }
        }
    }

    /// Whatever comes, there is an answer: a filter, or a refusal.
    @Test func survivesMutations() {
        var random = SplitMix(seed: 7)
        let seeds = [
            #"emails[type eq "work" and not (value co "@ex\u0061mple.com")].value"#, #"userName eq "a" or (title pr and active eq true)"#,
            #"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "1""#,
        ]
        let alphabet = Array("\"\\()[].:u$ eqandornotpr019é\u{0}\u{1F600}".unicodeScalars)
        for round in 0..<20_000 {
            var text = Array(seeds[round % seeds.count].unicodeScalars)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text[index] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                case 1: text.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &random)], at: index)
                default: if text.count > 1 { text.remove(at: index) }
                }
            }
            let spelled = String(String.UnicodeScalarView(text))
            if let filter = try? SCIMFilter(spelled) { _ = filter.matches(user, in: .user) }
            _ = try? SCIMPath(spelled)
        }
    }
}
