import SallyportCore

/// What every store of custom categories must do.
package enum CategoryStoreContract {
    package static func verify(_ store: any CategoryStore) throws {
        let samples = [CategorySample(text: "eins", isPositive: true), CategorySample(text: "zwei\n\"", isPositive: false)]
        try require(try store.categories(of: "a").isEmpty, "a new store is empty")
        let first = try store.add("ships", definition: "About ships", samples: samples, of: "a", at: 5)
        let second = try store.add("ships", definition: "About all ships", samples: [samples[0]], of: "a", at: 6)
        _ = try store.add("ships", definition: "Of another tenant", samples: samples, of: "b", at: 7)
        _ = try store.add("boats", definition: "About boats", samples: samples, of: "a", at: 8)
        try require(first.version == 1 && second.version == 2, "versions are counted by name")
        try require(first.status == .notStarted && first.createdAt == 5, "a version begins without a classifier")
        try require(
            try store.categories(of: "a").map { "\($0.name) \($0.version)" } == ["boats 1", "ships 2"], "the newest of each is listed")
        try require(try store.versions(of: "ships", tenant: "a").map(\.definition) == ["About ships", "About all ships"], "versions stay")
        try require(try store.samples(of: "ships", version: 1, tenant: "a") == samples, "samples come back as they were")
        try require(try store.classifier(of: "ships", version: 2, tenant: "a") == nil, "no classifier before it was built")
        try store.setStatus(.succeeded, error: nil, classifier: [1, 2, 3], of: "ships", version: 2, tenant: "a")
        try store.setStatus(.failed, error: "why", classifier: nil, of: "ships", version: 2, tenant: "a")
        try require(try store.classifier(of: "ships", version: 2, tenant: "a") == [1, 2, 3], "a classifier stays until another comes")
        let failed = try store.versions(of: "ships", tenant: "a").last
        try require(failed?.status == .failed && failed?.error == "why", "the status is kept with its error")
        try require(try store.classifier(of: "ships", version: 2, tenant: "b") == nil, "tenants are apart")
        try require(try store.delete("ships", version: 2, of: "a"), "a version can be deleted")
        try require(try !store.delete("ships", version: 2, of: "a"), "a deleted version does not exist")
        let third = try store.add("ships", definition: "Again", samples: samples, of: "a", at: 9)
        try require(third.version == 3, "a version's number is never used again")
        try require(try store.delete("ships", version: nil, of: "a"), "a category can be deleted as a whole")
        try require(try store.versions(of: "ships", tenant: "a").isEmpty, "all its versions go")
        try require(try store.samples(of: "ships", version: 1, tenant: "a").isEmpty, "and its samples")
        try require(try store.versions(of: "ships", tenant: "b").count == 1, "another tenant's stays")

        try require(try store.operation("op", of: "a") == nil, "an unknown operation is nil")
        try store.put(SafetyOperation(id: "op", status: .running, startedAt: 10), of: "a")
        try store.put(SafetyOperation(id: "op", status: .failed, error: "why", startedAt: 10), of: "a")
        try require(
            try store.operation("op", of: "a") == SafetyOperation(id: "op", status: .failed, error: "why", startedAt: 10),
            "an operation's status changes")
        try require(try store.operation("op", of: "b") == nil, "operations are a tenant's own")
    }
}

/// What every store of incidents must do.
package enum IncidentStoreContract {
    package static func verify(_ store: any IncidentStore) throws {
        try require(try store.upsert(TextIncident(name: "leak", definition: "d", createdAt: 1, updatedAt: 1), of: "a"), "the first is new")
        try require(
            try !store.upsert(TextIncident(name: "leak", definition: "e", createdAt: 9, updatedAt: 2), of: "a"), "the second is no new one")
        try require(
            try store.incident("leak", of: "a") == TextIncident(name: "leak", definition: "e", createdAt: 1, updatedAt: 2),
            "the time of creation stays")
        try require(try store.incident("leak", of: "b") == nil, "tenants are apart")
        let samples = [IncidentSample(id: "1", text: "one"), IncidentSample(id: "2", text: "two")]
        try store.add(samples, to: "leak", tenant: "a", at: 3)
        try require(try store.samples(of: "leak", tenant: "a") == samples, "samples keep their order")
        try require(try store.incident("leak", of: "a")?.updatedAt == 3, "a change is noted")
        try requireFault(.notFound, "no samples without an incident") { try store.add(samples, to: "none", tenant: "a", at: 3) }
        try requireFault(.notFound, "unknown ids are refused") { try store.removeSamples(["1", "3"], from: "leak", tenant: "a", at: 4) }
        try require(try store.samples(of: "leak", tenant: "a").count == 2, "a refused change changes nothing")
        try store.removeSamples(["1"], from: "leak", tenant: "a", at: 4)
        try require(try store.samples(of: "leak", tenant: "a") == [samples[1]], "a removed sample is gone")
        try require(try store.deployed("leak", tenant: "a") == nil, "nothing is in force before it is deployed")
        try store.deploy([7, 8], of: "leak", tenant: "a")
        try require(try store.deployed("leak", tenant: "a") == [7, 8], "what was deployed comes back")
        try requireFault(.notFound, "only what exists is deployed") { try store.deploy([7], of: "leak", tenant: "b") }
        let many = (0..<1000).map { IncidentSample(id: "n\($0)", text: "x") }
        try requireFault(.quotaExceeded, "there is a limit") { try store.add(many, to: "leak", tenant: "a", at: 5) }
        try require(try store.deleteIncident("leak", of: "a"), "an incident can be deleted")
        try require(try !store.deleteIncident("leak", of: "a"), "once")
        try require(try store.incidents(of: "a").isEmpty, "then it is gone")
        try require(try store.samples(of: "leak", tenant: "a").isEmpty, "with its samples")
    }
}
