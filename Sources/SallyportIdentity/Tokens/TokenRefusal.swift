/// Why a token is not accepted. Told to its holder in `WWW-Authenticate`, and in records; never with anything of the token.
package enum TokenRefusal: String, Error, Sendable, CaseIterable {
    case malformed = "the token is not a signed JSON Web Token"
    case algorithm = "the token's signature algorithm is not accepted"
    case critical = "the token has critical extensions that are not understood"
    case issuer = "the token's issuer is not accepted"
    case unknownKey = "the token's signing key is not one of the issuer's"
    case signature = "the token's signature is not valid"
    case expired = "the token has expired"
    case notYetValid = "the token is not valid yet"
    case lifetime = "the token has no expiry, or lives longer than is accepted"
    case audience = "the token is for another audience"
    case directory = "the token is of another directory"
    case client = "the token was issued to an application that is not accepted"
    case scope = "the token lacks the scope that is needed"
    case method = "the token does not show the authentication that is needed"
    case subject = "the token names no principal"
    case overage =
        "the token leaves out the groups of its principal because there are too many: have the issuer name only those assigned to the application"
    case revoked = "the token was revoked"
    case keysUnavailable = "the issuer's keys cannot be had at the moment"
}
