/// Every local detector, in the order in which they read. To add one: its file, and a line here.
package enum DetectorCatalog {
    package static func all() -> [any Detector] {
        [
            SensitiveDataDetector(),
            SecretsDetector(),
            OutputLinkDetector(),
            OutputHTMLDetector(),
            InvisibleTextDetector(),
        ]
    }
}
