/// HTML text. What is put into it is escaped, unless it is HTML itself.
package struct HTML: Sendable, ExpressibleByStringInterpolation {
    package let text: String

    package init(stringLiteral value: String) { text = value }
    package init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
    private init(raw: String) { text = raw }

    package struct StringInterpolation: StringInterpolationProtocol {
        var text = ""
        package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
        package mutating func appendLiteral(_ literal: String) { text += literal }
        package mutating func appendInterpolation(_ value: String) { text += HTML.escaped(value) }
        package mutating func appendInterpolation(_ value: Int) { text += "\(value)" }
        package mutating func appendInterpolation(_ html: HTML) { text += html.text }
        package mutating func appendInterpolation(_ list: [HTML]) { for html in list { text += html.text } }
        package mutating func appendInterpolation(_ html: HTML?) { if let html { text += html.text } }
    }

    package static func escaped(_ text: String) -> String {
        var out = ""
        out.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

/// What all pages share.
package enum Page {
    /// - Parameters:
    ///   - token: for scripts of this site; in a `meta` element, since there are no inline scripts.
    ///   - script: a file under `/assets`.
    ///   - isWide: for tables.
    package static func make(
        _ title: String, token: String? = nil, script: String? = nil, refresh: String? = nil, isWide: Bool = false, navigation: HTML? = nil,
        _ body: HTML
    ) -> String {
        let metaRefresh: HTML? = refresh.map { "<meta http-equiv=\"refresh\" content=\"0; url=\($0)\">" }
        let metaToken: HTML? = token.map { "<meta name=\"csrf\" content=\"\($0)\">" }
        let loading: HTML? = script.map { "<script src=\"/assets/\($0)\" defer></script>" }
        let kind: HTML = isWide ? " class=\"wide\"" : ""
        let html: HTML = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            \(metaRefresh)\(metaToken)
            <title>\(title) - Sallyport</title>
            <link rel="stylesheet" href="/assets/console.css">
            \(loading)
            </head>
            <body>
            <main\(kind)>
            \(navigation)
            <h1>\(title)</h1>
            \(body)
            </main>
            </body>
            </html>

            """
        return html.text
    }

    static func token(_ value: String) -> HTML { "<input type=\"hidden\" name=\"csrf\" value=\"\(value)\">" }
    static func problem(_ text: String?) -> HTML? { text.map { "<p class=\"problem\" role=\"alert\">\($0)</p>" } }
}

/// The files that pages ask for.
enum Assets {
    static let style = """
        :root { color-scheme: light dark; --line: #8886; --accent: #1a5fb4; }
        * { box-sizing: border-box; }
        body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 42rem; margin: 3rem auto; padding: 0 1.25rem; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
        label { display: block; margin: 0.75rem 0 0.25rem; }
        input, select { width: 100%; padding: 0.5rem; font: inherit; border: 1px solid var(--line); border-radius: 4px; }
        .box input { width: auto; }
        button, .button { display: inline-block; margin: 0.9rem 0.5rem 0 0; padding: 0.5rem 1rem; font: inherit; color: #fff; background: var(--accent); border: 0; border-radius: 4px; text-decoration: none; cursor: pointer; }
        button.quiet { color: inherit; background: none; border: 1px solid var(--line); margin-top: 0; padding: 0.2rem 0.6rem; }
        button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible, summary:focus-visible, a:focus-visible { outline: 3px solid #62a0ea; outline-offset: 1px; }
        table { width: 100%; border-collapse: collapse; } td, th { text-align: left; padding: 0.4rem 0.5rem 0.4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        td form { display: inline; } code { overflow-wrap: anywhere; }
        .problem { padding: 0.6rem 0.9rem; border-left: 4px solid #c01c28; background: #c01c2818; }
        main.wide { max-width: 84rem; } .wide > form { max-width: 42rem; } .scroll { overflow-x: auto; } .wide td, .wide th { padding-right: 1rem; }
        details { margin: 0.25rem 0; } summary { cursor: pointer; } details form { max-width: 42rem; } td details form { display: block; min-width: 16rem; }
        textarea { width: 100%; padding: 0.5rem; font: 0.9rem/1.45 ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px; tab-size: 2; }
        caption { text-align: left; font-weight: 600; padding: 0.4rem 0; } pre { overflow-x: auto; padding: 0.6rem 0.9rem; border: 1px solid var(--line); border-radius: 4px; }
        .note { padding: 0.6rem 0.9rem; border-left: 4px solid var(--accent); background: #1a5fb418; } .pages a, .pages span { margin-right: 1rem; }
        .find { max-width: 24rem; } .wide > form.document { max-width: 64rem; }
        dt { font-weight: 600; } dd { margin: 0 0 0.5rem; overflow-wrap: anywhere; } .hint { opacity: 0.75; } nav { margin-bottom: 1rem; line-height: 2; }
        .qr { display: block; width: 16rem; max-width: 100%; }
        .codes { columns: 2; list-style: none; padding: 0; } nav a { margin-right: 1rem; }

        """

    static let passkeys = """
        "use strict";
        const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";
        const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
        const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
        const say = (problem) => { const place = document.querySelector("#passkey-problem"); if (place) { place.textContent = problem; place.hidden = !problem; } };

        async function post(url, body) {
          const answer = await fetch(url, {
            method: "POST", credentials: "same-origin", body: JSON.stringify(body),
            headers: { "content-type": "application/json", "x-sallyport-csrf": csrf },
          });
          const json = await answer.json().catch(() => ({}));
          if (!answer.ok) throw new Error(json.error?.message ?? "The request failed.");
          return json;
        }

        async function signIn() {
          const options = await post("/signin/passkey/options", {});
          const found = await navigator.credentials.get({
            publicKey: {
              challenge: bytes(options.challenge), rpId: options.rpId, userVerification: "required", timeout: options.timeout,
              allowCredentials: options.allowCredentials.map((id) => ({ type: "public-key", id: bytes(id) })),
            },
          });
          const done = await post("/signin/passkey", {
            id: text(found.rawId), clientDataJSON: text(found.response.clientDataJSON),
            authenticatorData: text(found.response.authenticatorData), signature: text(found.response.signature),
          });
          location.assign(done.next);
        }

        async function register() {
          const options = await post("/account/passkeys/options", {});
          const made = await navigator.credentials.create({
            publicKey: {
              challenge: bytes(options.challenge), rp: options.rp, timeout: options.timeout, attestation: "none",
              user: { id: bytes(options.user.id), name: options.user.name, displayName: options.user.displayName },
              pubKeyCredParams: options.algorithms.map((alg) => ({ type: "public-key", alg })),
              authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
              excludeCredentials: options.exclude.map((id) => ({ type: "public-key", id: bytes(id) })),
            },
          });
          await post("/account/passkeys", {
            name: document.querySelector("#passkey-name").value, clientDataJSON: text(made.response.clientDataJSON),
            attestationObject: text(made.response.attestationObject),
          });
          location.assign("/account");
        }

        for (const [id, act] of [["#passkey-signin", signIn], ["#passkey-register", register]]) {
          document.querySelector(id)?.addEventListener("click", () => {
            say("");
            act().catch((error) => say(error.name === "NotAllowedError" ? "The passkey was not used." : error.message));
          });
        }

        """
}
