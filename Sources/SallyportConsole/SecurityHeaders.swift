import HTTPTypes
import Hummingbird

/// What every administrative answer tells a browser: nothing is cached, framed, sniffed or loaded from elsewhere.
struct SecurityHeaders<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.cacheControl] = "no-store"
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        if let referrerPolicy = HTTPField.Name("referrer-policy") { response.headers[referrerPolicy] = "no-referrer" }
        return response
    }
}
