import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportIdentity

/// Users and groups in memory.
final class MemoryProvisioningStore: ProvisioningStore {
    private struct State {
        var users: [ProvisionedUser] = []
        var groups: [ProvisionedGroup] = []
        var departures: [Departure] = []
        var returns: [String] = []
    }
    private let state = NIOLockedValueBox(State())
    var departures: [Departure] { state.withLockedValue { $0.departures } }
    var returns: [String] { state.withLockedValue { $0.returns } }

    func users(of tenant: TenantID) throws -> [ProvisionedUser] { state.withLockedValue { $0.users } }
    func user(_ id: String, tenant: TenantID) throws -> ProvisionedUser? { try users(of: tenant).first { $0.id == id } }
    func user(named userName: String, tenant: TenantID) throws -> ProvisionedUser? {
        try users(of: tenant).first { $0.userName.lowercased() == userName.lowercased() }
    }
    func user(externalID: String, tenant: TenantID) throws -> ProvisionedUser? {
        try users(of: tenant).first { $0.externalID == externalID }
    }
    private static func check(_ user: ProvisionedUser, _ state: State) throws {
        guard
            !state.users.contains(where: {
                $0.id != user.id && ($0.userName.lowercased() == user.userName.lowercased() || $0.principal == user.principal)
            })
        else { throw Fault(.conflict, "taken") }
    }
    func insert(_ user: ProvisionedUser, departing: Departure?) throws {
        try state.withLockedValue { state in
            try Self.check(user, state)
            state.users.append(user)
            if let departing { state.departures.append(departing) }
        }
    }
    func update(_ user: ProvisionedUser, from version: Int, departing: Departure?, returning: String?) throws -> DepartureOutcome? {
        try state.withLockedValue { state in
            try Self.check(user, state)
            guard let index = state.users.firstIndex(where: { $0.id == user.id && $0.version == version }) else { return nil }
            state.users[index] = user
            if let departing { state.departures.append(departing) }
            if let returning { state.returns.append(returning) }
            return DepartureOutcome()
        }
    }
    func removeUser(_ id: String, tenant: TenantID, version: Int?, departing: Departure) throws -> DepartureOutcome? {
        state.withLockedValue { state in
            state.users.removeAll { $0.id == id }
            state.departures.append(departing)
            return DepartureOutcome()
        }
    }
    func groups(of tenant: TenantID) throws -> [ProvisionedGroup] { state.withLockedValue { $0.groups } }
    func group(_ id: String, tenant: TenantID) throws -> ProvisionedGroup? { try groups(of: tenant).first { $0.id == id } }
    func insert(_ group: ProvisionedGroup) throws { state.withLockedValue { $0.groups.append(group) } }
    func update(_ group: ProvisionedGroup, from version: Int) throws -> Bool {
        state.withLockedValue { state in
            guard let index = state.groups.firstIndex(where: { $0.id == group.id && $0.version == version }) else { return false }
            state.groups[index] = group
            return true
        }
    }
    func removeGroup(_ id: String, tenant: TenantID, version: Int?) throws -> Bool {
        state.withLockedValue { state in
            let before = state.groups.count
            state.groups.removeAll { $0.id == id }
            return state.groups.count < before
        }
    }
    func groups(of member: String, tenant: TenantID) throws -> [ProvisionedGroup] {
        try groups(of: tenant).filter { $0.members.contains(member) }
    }
}

@Suite struct SCIMServiceTests {
    private let store = MemoryProvisioningStore()
    private let service: SCIMService

    init() {
        let numbers = NIOLockedValueBox(0)
        service = SCIMService(
            store: store, settings: .init(issuer: "entra"),
            makeID: {
                numbers.withLockedValue {
                    $0 += 1
                    return "id\($0)"
                }
            }, clock: { 1_300_000_000 })
    }

    private func ask(
        _ method: String, _ path: String, _ query: [String: String] = [:], _ body: String = "", ifMatch: String? = nil,
        ifNoneMatch: String? = nil
    ) -> (status: Int, headers: [String: String], body: [String: SCIMValue]) {
        let answer = service.answer(
            SCIMRequest(
                method: method, path: path.split(separator: "/").map(String.init), query: query, ifMatch: ifMatch, ifNoneMatch: ifNoneMatch,
                body: Array(body.utf8), base: "https://gateway.example/scim/v2")
        ) { _, _, _ in }
        return (
            answer.status, Dictionary(answer.headers.map { ($0.name, $0.value) }) { first, _ in first },
            (try? SCIMValue.object(parsing: answer.body)) ?? [:]
        )
    }

    /// RFC 7643, section 8.2, shortened to what is served here, and some that is not.
    private let full = """
        {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "id":"2819c223-7f76-453a-919d-413861904646","externalId":"701984","userName":"bjensen@example.com",
        "name":{"formatted":"Ms. Barbara J Jensen, III","familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms.","honorificSuffix":"III"},
        "displayName":"Babs Jensen","nickName":"Babs","profileUrl":"https://login.example.com/bjensen",
        "emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
        "addresses":[{"streetAddress":"100 Universal City Plaza"}],"phoneNumbers":[{"value":"555-555-5555","type":"work"}],
        "userType":"Employee","title":"Tour Guide","preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles","active":true,
        "password":"t1meMa$heen","groups":[{"value":"forged"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","costCenter":"4130","organization":"Universal Studios",
        "division":"Theme Park","department":"Tour Operations","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d","$ref":"../Users/26118915"}},
        "meta":{"resourceType":"User","version":"W/\\"a330bc54f0671c9\\""}}
        """

    @Test func aUserIsMadeReadAndKeptFromItsPassword() throws {
        let made = ask("POST", "Users", [:], full)
        #expect(
            made.status == 201 && made.headers["location"] == "https://gateway.example/scim/v2/Users/id1"
                && made.headers["etag"] == "W/\"1\"")
        let read = ask("GET", "Users/id1")
        #expect(read.body == made.body)
        #expect(read.body["password"] == nil && read.body["groups"] == nil && read.body["id"] == .string("id1"))
        #expect(read.body["name"]?.members?["honorificSuffix"] == .string("III"))
        #expect(read.body[SCIMSchema.enterpriseID]?.members?["manager"]?.members?["value"]?.text?.hasPrefix("26118915") == true)
        #expect(read.body["meta"]?.members?["created"] == .string("2011-03-13T07:06:40Z"))
        #expect(try store.user("id1", tenant: .default)?.principal == "entra:701984")
        #expect(try store.user("id1", tenant: .default)?.attributes.contains("t1meMa") == false)
    }

    @Test func namesAreUniqueWithoutRegardToCase() {
        _ = ask("POST", "Users", [:], #"{"userName":"a"}"#)
        let second = ask("POST", "Users", [:], #"{"userName":"A"}"#)
        #expect(second.status == 409 && second.body["scimType"] == .string("uniqueness"))
    }

    @Test func aProbeForNobodyIsAnEmptyList() {
        let probe = ask("GET", "Users", ["filter": #"userName eq "0f6f6bd4-5df2""#])
        #expect(probe.status == 200 && probe.body["totalResults"] == .integer(0) && probe.body["Resources"] == .array([]))
    }

    @Test func listsAreFilteredSortedPagedAndProjected() {
        for name in ["c", "a", "b", "d"] { _ = ask("POST", "Users", [:], #"{"userName":"\#(name)","title":"T"}"#) }
        let page = ask(
            "GET", "Users", ["sortBy": "userName", "sortOrder": "descending", "startIndex": "2", "count": "2", "attributes": "userName"])
        #expect(
            page.body["totalResults"] == .integer(4) && page.body["itemsPerPage"] == .integer(2) && page.body["startIndex"] == .integer(2))
        #expect(page.body["Resources"]?.list?.map { $0.members?["userName"] } == [.string("c"), .string("b")])
        #expect(page.body["Resources"]?.list?.first?.members?["title"] == nil && page.body["Resources"]?.list?.first?.members?["id"] != nil)
        #expect(ask("GET", "Users", ["count": "0"]).body["totalResults"] == .integer(4))
        #expect(ask("GET", "Users", ["startIndex": "-7"]).body["startIndex"] == .integer(1))
        #expect(ask("GET", "Users", ["startIndex": "99"]).body["Resources"] == .array([]))
        #expect(ask("GET", "Users", ["filter": "userName"]).body["scimType"] == .string("invalidFilter"))
        #expect(ask("POST", "Users/.search", [:], #"{"filter":"userName ge \"c\"","count":1}"#).body["totalResults"] == .integer(2))
    }

    @Test func aLeaverLeavesAndMayReturn() throws {
        _ = ask("POST", "Users", [:], full)
        let left = ask("PATCH", "Users/id1", [:], #"{"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#)
        #expect(left.status == 200 && left.body["active"] == .bool(false))
        #expect(store.departures == [Departure(principal: "entra:701984", at: 1_300_000_000, isFinal: false)])
        // Saying it again changes nothing.
        let again = ask("PATCH", "Users/id1", [:], #"{"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#)
        #expect(again.headers["etag"] == left.headers["etag"] && store.departures.count == 1)
        _ = ask("PATCH", "Users/id1", [:], #"{"Operations":[{"op":"replace","value":{"active":true}}]}"#)
        #expect(store.returns == ["entra:701984"])
        #expect(ask("DELETE", "Users/id1").status == 204 && ask("GET", "Users/id1").status == 404)
        #expect(store.departures.last?.isFinal == true)
    }

    @Test func whoIsRenamedLeavesUnderTheOldName() {
        _ = ask("POST", "Users", [:], full)
        _ = ask("PATCH", "Users/id1", [:], #"{"Operations":[{"op":"replace","path":"externalId","value":"9"}]}"#)
        #expect(store.departures == [Departure(principal: "entra:701984", at: 1_300_000_000, isFinal: true)])
    }

    @Test func versionsGuardAgainstLostUpdates() {
        _ = ask("POST", "Users", [:], #"{"userName":"a"}"#)
        let change = #"{"userName":"a","title":"T"}"#
        #expect(ask("PUT", "Users/id1", [:], change, ifMatch: "W/\"7\"").status == 412)
        #expect(ask("PUT", "Users/id1", [:], change, ifMatch: "W/\"1\"").headers["etag"] == "W/\"2\"")
        #expect(ask("DELETE", "Users/id1", ifMatch: "W/\"1\"").status == 412)
        #expect(ask("GET", "Users/id1", ifNoneMatch: "W/\"2\"").status == 304)
        #expect(ask("GET", "Users/id1", ifNoneMatch: "W/\"1\"").status == 200)
    }

    @Test func groupsKnowTheirMembersAndMembersTheirGroups() throws {
        _ = ask("POST", "Users", [:], #"{"userName":"a","externalId":"oid-a"}"#)
        let made = ask("POST", "Groups", [:], #"{"displayName":"G","externalId":"gid","members":[{"value":"id1"}]}"#)
        #expect(made.status == 201 && made.body["members"]?.list?.first?.members?["type"] == .string("User"))
        #expect(ask("GET", "Users/id1").body["groups"]?.list?.first?.members?["value"] == .string("id2"))
        #expect(ask("POST", "Groups", [:], #"{"displayName":"H","members":[{"value":"nobody"}]}"#).status == 400)
        _ = ask("POST", "Groups", [:], #"{"displayName":"H","members":[{"value":"id2"}]}"#)
        #expect(
            try store.members(of: .default) == [
                "entra:gid": [PrincipalReference(.user, "entra:oid-a")], "entra:H": [PrincipalReference(.user, "entra:oid-a")],
            ])
        #expect(
            ask("GET", "Groups", ["filter": #"members[value eq "id1"]"#, "excludedAttributes": "members"]).body["totalResults"]
                == .integer(1))
        _ = ask("PATCH", "Groups/id2", [:], #"{"Operations":[{"op":"Remove","path":"members","value":[{"value":"id1"}]}]}"#)
        #expect(ask("GET", "Groups/id2").body["members"] == nil)
    }

    @Test func nothingHappensThatCannotBePutOnRecord() throws {
        let answer = service.answer(
            SCIMRequest(method: "POST", path: ["Users"], body: Array(#"{"userName":"a"}"#.utf8), base: "")
        ) { _, _, _ in throw Fault(.auditUnavailable, "full") }
        #expect(answer.status == 503)
        #expect(try store.users(of: .default).isEmpty)
    }

    @Test func theServiceDescribesItself() {
        #expect(ask("GET", "ServiceProviderConfig").body["patch"]?.members?["supported"] == .bool(true))
        #expect(ask("GET", "ResourceTypes").body["totalResults"] == .integer(2))
        #expect(ask("GET", "ResourceTypes/User").body["endpoint"] == .string("/Users"))
        #expect(ask("GET", "Schemas").body["totalResults"] == .integer(3))
        #expect(ask("GET", "Schemas/\(SCIMSchema.userID)").body["id"] == .string(SCIMSchema.userID))
        #expect(ask("GET", "Schemas/urn:nothing").status == 404)
        #expect(ask("GET", "Schemas", ["filter": "id pr"]).status == 403)
        #expect(ask("POST", "Schemas").status == 405)
        #expect(ask("POST", "Bulk").status == 501 && ask("GET", "Me").status == 501)
        #expect(ask("GET", "Nothing").status == 404 && ask("DELETE", "Users").status == 405)
    }

    @Test(arguments: [
        "", "[]", "{", #"{"userName":1}"#, #"{"userName":""}"#, #"{"active":true}"#,
        #"{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":true}]}"#,
        #"{"userName":"a","active":"perhaps"}"#, #"{"userName":"a\u0000b"}"#, #"{"userName":"a","name":"text"}"#,
    ])
    func aBodyThatMakesNoUserIsRefused(body: String) {
        let answer = ask("POST", "Users", [:], body)
        #expect(answer.status == 400 || body.contains("\"name\":\"text\""), "\(answer.status)")
    }
}
