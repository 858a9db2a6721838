import SallyportCore

/// What is done with conditional access by administrators. Every method blocks.
package struct ConditionalOperations: Sendable {
    package let store: any ConditionalAccessStore
    private let tenant: TenantID

    package init(store: any ConditionalAccessStore, tenant: TenantID = .default) {
        self.store = store
        self.tenant = tenant
    }

    package static func check(_ name: String, _ document: [UInt8]) throws -> ConditionalPolicy {
        guard (1...64).contains(name.utf8.count),
            name.unicodeScalars.allSatisfy({
                $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || " ._-".unicodeScalars.contains($0))
            })
        else { throw Fault(.invalidRequest, "A policy's name has 1 to 64 letters, digits, spaces and . _ -.", param: "name") }
        do { return try ConditionalPolicy(name: name, parsing: document) } catch let mistake as ConditionalPolicy.Mistake {
            throw Fault(.invalidRequest, mistake.description)
        }
    }

    /// - Parameter known: the version that it takes the place of, 0 where there is to be none; nil: whichever is in force.
    /// - Throws: ``Fault`` `.conflict` when another one is in force.
    package func put(_ name: String, document: [UInt8], at now: Int64, replacing known: Int? = nil) throws -> Int {
        _ = try Self.check(name, document)
        guard let version = try store.put(name, document: document, of: tenant, at: now, replacing: known) else {
            throw Fault(.conflict, known == 0 ? "There is a policy of this name." : "The policy was changed meanwhile.")
        }
        return version
    }

    package func delete(_ name: String) throws {
        guard try store.removePolicy(name, of: tenant) else {
            throw Fault(.notFound, "There is no conditional access policy of this name.")
        }
    }

    package func policy(_ name: String) throws -> StoredConditionalPolicy {
        guard let found = try store.policies().first(where: { $0.name == name && $0.tenant == tenant }) else {
            throw Fault(.notFound, "There is no conditional access policy of this name.")
        }
        return found
    }

    package func setDevice(_ device: DevicePosture) throws {
        guard (1...200).contains(device.id.utf8.count), device.id.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F }) else {
            throw Fault(.invalidRequest, "A device's id has 1 to 200 visible characters.", param: "id")
        }
        try store.put(device)
    }

    package func removeDevice(_ id: String) throws {
        guard try store.removeDevice(id, of: tenant) else { throw Fault(.notFound, "There is no device of this id.") }
    }

    package func setRisk(_ risk: PrincipalRisk) throws { try store.put(risk) }

    package func clearRisk(of principal: PrincipalID) throws {
        guard try store.removeRisk(of: principal, tenant: tenant) else { throw Fault(.notFound, "No risk is noted for this principal.") }
    }
}
