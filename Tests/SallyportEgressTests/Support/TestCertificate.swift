/// A self-signed certificate for localhost and 127.0.0.1 with its key, for tests only: nothing trusts it, and it guards nothing.
enum TestCertificate {
    static let certificateDigest = "c9a0939474251341bb7901ac914e9eff37298fef5e657298d852bc5ca19432fe"
    static let publicKeyDigest = "70bd9f016003f65b80c316b569f0bf062376045abb46812aaf8104bfe8a0dc53"

    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASGgAwIBAgIBATAKBggqhkjOPQQDAjAeMRwwGgYDVQQDDBNzYWxseXBv
        cnQgdGVzdCBvbmx5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAe
        MRwwGgYDVQQDDBNzYWxseXBvcnQgdGVzdCBvbmx5MFkwEwYHKoZIzj0CAQYIKoZI
        zj0DAQcDQgAEKjp8oJiwtQWoDoED+pwzdemioFCP8lr/dQbZBLYssMY0CXZJGwu5
        nNzZxcVpDj8ayKoZVEXR4BaI2SLX1+TLvKNOMEwwGgYDVR0RBBMwEYIJbG9jYWxo
        b3N0hwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFH/jGIejO5OfCjwX
        R0jIOPCayqXRMAoGCCqGSM49BAMCA0gAMEUCIDVVw8iyYOJrzRmdK3pCzgV6DyIl
        0qGmswx3/o8AH/w7AiEA1/me6GnlnFCsdClXmy0Wl4inyWHCJm1pqJLfBa7mg80=
        -----END CERTIFICATE-----
        """

    static let privateKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXnsHOZUki2RpfHi6
        dhDqE9hXreeI0XPpd1cHMIRWEDyhRANCAAQqOnygmLC1BagOgQP6nDN16aKgUI/y
        Wv91BtkEtiywxjQJdkkbC7mc3NnFxWkOPxrIqhlURdHgFojZItfX5Mu8
        -----END PRIVATE KEY-----
        """
}
