import Testing

@testable import SallyportIdentity

@Suite struct SCIMPatchTests {
    private func object(_ json: String) throws -> [String: SCIMValue] { try SCIMValue.object(parsing: Array(json.utf8)) }

    private func patched(_ resource: String, _ operations: String, _ schema: SCIMSchema = .user) throws -> [String: SCIMValue] {
        try SCIMPatch(object(#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":\#(operations)}"#))
            .applied(to: object(resource), schema: schema, extensions: schema.name == "User" ? [.enterprise] : [])
    }

    private func expect(_ resource: String, _ operations: String, _ schema: SCIMSchema = .user, is expected: String) throws {
        let result = try patched(resource, operations, schema)
        #expect(
            SCIMValue.object(result) == SCIMValue.object(try object(expected)),
            "\(String(decoding: SCIMValue.object(result).json, as: UTF8.self))")
    }

    private func refuses(_ resource: String, _ operations: String, _ kind: SCIMFault.Kind, _ schema: SCIMSchema = .user) {
        #expect { try patched(resource, operations, schema) } throws: { ($0 as? SCIMFault)?.kind == kind }
    }

    private let group = #"{"displayName":"G","members":[{"value":"1","type":"User"},{"value":"2","type":"User"}]}"#

    // MARK: The standard's examples (RFC 7644, section 3.5.2)

    @Test func addsMembers() throws {
        try expect(
            group, #"[{"op":"add","path":"members","value":[{"display":"Babs Jensen","$ref":"https://x/Users/3","value":"3"}]}]"#, .group,
            is:
                #"{"displayName":"G","members":[{"value":"1","type":"User"},{"value":"2","type":"User"},{"value":"3","$ref":"https://x/Users/3"}]}"#
        )
    }

    @Test func addsWithoutAPath() throws {
        try expect(
            #"{"userName":"b"}"#, #"[{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"home"}],"nickName":"Babs"}}]"#,
            is: #"{"userName":"b","emails":[{"value":"babs@jensen.org","type":"home"}],"nickName":"Babs"}"#)
    }

    @Test func removesOneMemberAllMembersAndAChosenValue() throws {
        try expect(
            group, #"[{"op":"remove","path":"members[value eq \"2\"]"}]"#, .group,
            is: #"{"displayName":"G","members":[{"value":"1","type":"User"}]}"#)
        try expect(group, #"[{"op":"remove","path":"members"}]"#, .group, is: #"{"displayName":"G"}"#)
        try expect(
            #"{"emails":[{"value":"a@example.com","type":"work"},{"value":"b@example.org","type":"work"}]}"#,
            #"[{"op":"remove","path":"emails[type eq \"work\" and value ew \"example.com\"]"}]"#,
            is: #"{"emails":[{"value":"b@example.org","type":"work"}]}"#)
    }

    @Test func removesAndAddsInOneRequest() throws {
        try expect(
            group, #"[{"op":"remove","path":"members[value eq \"1\"]"},{"op":"add","path":"members","value":[{"value":"9"}]}]"#, .group,
            is: #"{"displayName":"G","members":[{"value":"2","type":"User"},{"value":"9"}]}"#)
    }

    @Test func replacesAllMembersAnAddressAPartAndSeveralAttributes() throws {
        try expect(
            group, #"[{"op":"replace","path":"members","value":[{"value":"7"}]}]"#, .group,
            is: #"{"displayName":"G","members":[{"value":"7"}]}"#)
        let addresses = #"{"emails":[{"type":"work","value":"a@x","display":"A"},{"type":"home","value":"b@x"}]}"#
        try expect(
            addresses, #"[{"op":"replace","path":"emails[type eq \"work\"]","value":{"type":"work","value":"c@x"}}]"#,
            is: #"{"emails":[{"type":"work","value":"c@x"},{"type":"home","value":"b@x"}]}"#)
        try expect(
            addresses, #"[{"op":"replace","path":"emails[type eq \"work\"].value","value":"c@x"}]"#,
            is: #"{"emails":[{"type":"work","value":"c@x","display":"A"},{"type":"home","value":"b@x"}]}"#)
        try expect(
            #"{"userName":"b","nickName":"x"}"#, #"[{"op":"replace","value":{"emails":[{"value":"q@x"}],"nickName":"Babs"}}]"#,
            is: #"{"userName":"b","nickName":"Babs","emails":[{"value":"q@x"}]}"#)
    }

    @Test func aNewPrimaryValueTakesTheOldOnesPlace() throws {
        try expect(
            #"{"emails":[{"value":"a@x","primary":true}]}"#, #"[{"op":"add","path":"emails","value":[{"value":"b@x","primary":true}]}]"#,
            is: #"{"emails":[{"value":"a@x","primary":false},{"value":"b@x","primary":true}]}"#)
    }

    // MARK: What clients send besides

    @Test func understandsEntra() throws {
        try expect(
            #"{"userName":"b","active":true}"#, #"[{"op":"Replace","path":"active","value":"False"}]"#,
            is: #"{"userName":"b","active":false}"#)
        try expect(
            #"{"userName":"b"}"#,
            #"[{"op":"Add","path":"emails[type eq \"work\"].value","value":"a@x"},{"op":"Replace","value":{"name.givenName":"A","name.familyName":"B","active":"True"}}]"#,
            is: #"{"userName":"b","emails":[{"type":"work","value":"a@x"}],"name":{"givenName":"A","familyName":"B"},"active":true}"#)
        try expect(
            #"{"userName":"b"}"#,
            #"[{"op":"Add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"D","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"division":"V"}}}]"#,
            is: #"{"userName":"b","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","division":"V"}}"#)
        // An extension that names itself, as the Python client does.
        try expect(
            #"{"userName":"b"}"#,
            #"[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"schemas":["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"division":"V"}}]"#,
            is: #"{"userName":"b","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"division":"V"}}"#)
        try expect(
            group, #"[{"op":"Remove","path":"members","value":[{"value":"2"}]}]"#, .group,
            is: #"{"displayName":"G","members":[{"value":"1","type":"User"}]}"#)
        try expect(
            #"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"1"},"division":"V"}}"#,
            #"[{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}]"#,
            is: #"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"division":"V"}}"#)
    }

    @Test func addingTwiceIsAddingOnce() throws {
        try expect(
            group, #"[{"op":"add","path":"members","value":[{"value":"1"}]}]"#, .group,
            is: #"{"displayName":"G","members":[{"value":"2","type":"User"},{"value":"1"}]}"#)
    }

    // MARK: Refusals

    @Test func refusesWhatCannotBe() {
        refuses("{}", #"[{"op":"remove"}]"#, .noTarget)
        refuses("{}", #"[{"op":"add","path":"nickName"}]"#, .invalidValue)
        refuses("{}", #"[{"op":"move","path":"nickName","value":"x"}]"#, .invalidSyntax)
        refuses("{}", #"[{"op":"replace","path":"colour","value":"x"}]"#, .invalidPath)
        refuses("{}", #"[{"op":"replace","path":"name.colour","value":"x"}]"#, .invalidPath)
        refuses("{}", #"[{"op":"replace","path":"nickName[type eq \"x\"]","value":"x"}]"#, .invalidPath)
        refuses("{}", #"[{"op":"replace","path":"emails[","value":"x"}]"#, .invalidPath)
        refuses("{}", #"[{"op":"replace","path":"id","value":"x"}]"#, .mutability)
        refuses("{}", #"[{"op":"replace","path":"groups","value":[]}]"#, .mutability)
        refuses(#"{"userName":"b"}"#, #"[{"op":"remove","path":"userName"}]"#, .mutability)
        refuses(#"{"userName":"b","active":false}"#, #"[{"op":"remove","path":"active"}]"#, .mutability)
        refuses("{}", #"[{"op":"replace","path":"emails[type ne \"work\"].value","value":"x"}]"#, .noTarget)
        refuses("{}", #"[{"op":"replace","path":"active","value":"perhaps"}]"#, .invalidValue)
        refuses("{}", "[]", .invalidSyntax)
        refuses("{}", #""x""#, .invalidSyntax)
    }

    @Test func theDepthOfABodyIsBounded() {
        let deep = #"{"a":"# + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        #expect { try SCIMValue.object(parsing: Array(deep.utf8)) } throws: { ($0 as? SCIMFault)?.kind == .invalidSyntax }
    }
}
