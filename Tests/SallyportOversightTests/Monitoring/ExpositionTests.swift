import NIOCore
import SallyportOversight
import Testing

@Suite struct ExpositionTests {
    @Test func keepsSamplesOfOneFamilyTogether() throws {
        var exposition = Exposition()
        exposition.gauge("pool_connections", help: "Connections.", 1, labels: [("upstream", "a")])
        exposition.counter("other_total", help: "Others.", 2)
        exposition.gauge("pool_connections", help: "Connections.", 3, labels: [("upstream", "b")])
        #expect(
            String(buffer: exposition.encoded()) == """
                # HELP pool_connections Connections.
                # TYPE pool_connections gauge
                pool_connections{upstream="a"} 1
                pool_connections{upstream="b"} 3
                # HELP other_total Others.
                # TYPE other_total counter
                other_total 2

                """)
    }

    @Test(arguments: ["plain", "", "back\\slash", "line\nfeed", "quo\"te", "\\n", "\\\"\n\\", "naïve — 漢字 🦊", "}{=,"])
    func escapesLabelValuesSoThatTheyComeBack(value: String) throws {
        var exposition = Exposition()
        exposition.gauge("x", help: "a\\b\nc\"d", 1, labels: [("first", value), ("second", "s")])
        let read = try ExpositionReader(String(buffer: exposition.encoded()))
        #expect(read.families.first?.samples == [.init(name: "x", labels: ["first": value, "second": "s"], value: 1)])
        #expect(read.families.first?.help == "a\\\\b\\nc\"d")
    }

    @Test(arguments: ["9lives", "", "a-b.c", "ok:colon", "über", "__own", "a b\n# TYPE x counter"])
    func makesEveryNameValid(name: String) throws {
        var exposition = Exposition()
        exposition.gauge(name, help: "h", 1, labels: [(name, "v")])
        #expect(try ExpositionReader(String(buffer: exposition.encoded())).families.count == 1)
    }

    @Test func writesHistogramsCumulatively() throws {
        var exposition = Exposition()
        exposition.histogram(
            "wait_seconds", help: "Wait.", bounds: [0.001, 0.5, 2], counts: [1, 0, 2, 4], sum: 9.25, labels: [("kind", "k")])
        #expect(
            String(buffer: exposition.encoded()) == """
                # HELP wait_seconds Wait.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{kind="k",le="0.001"} 1
                wait_seconds_bucket{kind="k",le="0.5"} 1
                wait_seconds_bucket{kind="k",le="2"} 3
                wait_seconds_bucket{kind="k",le="+Inf"} 7
                wait_seconds_sum{kind="k"} 9.25
                wait_seconds_count{kind="k"} 7

                """)
    }

    @Test func leavesOutWhatDoesNotFitTogether() throws {
        var exposition = Exposition()
        exposition.histogram("odd", help: "h", bounds: [1, 2], counts: [1], sum: 0)
        exposition.gauge("twice", help: "h", 1)
        exposition.counter("twice", help: "h", 2)
        let read = try ExpositionReader(String(buffer: exposition.encoded()))
        #expect(read.families.map(\.name) == ["twice"])
        #expect(read.families.first?.samples.count == 1)
    }

    @Test(arguments: [(0.0, "0"), (3, "3"), (0.25, "0.25"), (-1, "-1"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN")])
    func spellsNumbersAsPrometheusReadsThem(value: Double, spelling: String) throws {
        var exposition = Exposition()
        exposition.gauge("x", help: "h", value)
        #expect(String(buffer: exposition.encoded()).hasSuffix("\nx \(spelling)\n"))
    }

    /// The reader itself must not be lenient, or the other tests prove nothing.
    @Test(arguments: [
        "x 1\n", "# HELP x h\n# TYPE x gauge\nx 1", "# HELP x h\n# TYPE x gauge\nx 1\nx 1\n", "# HELP x h\n# TYPE x gauge\n",
        "# HELP x h\n# TYPE x counter\nx 1\n", "# HELP x h\n# TYPE x gauge\nx{a=\"\\t\"} 1\n",
        "# HELP x h\n# TYPE x gauge\nx{a=\"1\",a=\"2\"} 1\n",
        "# HELP x h\n# TYPE x gauge\nx{9=\"1\"} 1\n", "# HELP x h\n# TYPE x gauge\nx one\n", "# TYPE x gauge\nx 1\n",
        "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 1\n",
        "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_sum 1\nx_count 1\n",
        "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 2\n",
    ])
    func theReaderRefusesWhatIsNotTheFormat(text: String) {
        #expect(throws: ExpositionReader.Mistake.self) { try ExpositionReader(text) }
    }
}
