/// The reference page, made from the loader's own list of keys.
package enum ConfigurationReference {
    package static var markdown: String {
        var page = """
            # Configuration

            One YAML file, given with `--config`. It is read at start, again on SIGHUP and when it changes; a file with a mistake is refused with
            its line and reason, and the old configuration stays. `sallyport config check FILE` names every mistake. Unknown keys are mistakes.
            Listeners, threads, `data`, `audit`, `log`, `tracing`, `guards`, `vault`, `network.metrics` and what says so below change with the next start only: a
            reload names in the log what waits for it. Everything else changes at once, without dropping a stream.

            `${NAME}` in a value is taken from the environment (`$${` stands for `${`). When a variable of an upstream is not set, that upstream is
            down with this reason and everything else works. A secret can also be `file:PATH` (without the line's end; read again when the file changes)
            or `vault:NAME` (`sallyport vault secrets put NAME`). Policies are not configuration but versioned data: see `docs/policies.md`.

            This page is printed by `sallyport config reference`.

            | key | value | default | meaning |
            |---|---|---|---|

            """
        for key in ConfigurationKey.all {
            let standard =
                key.standard.isEmpty ? "–" : key.standard.contains(" ") || key.standard.contains("`") ? key.standard : "`\(key.standard)`"
            page += "| `\(key.path)` | \(key.kindName.replacing("|", with: "\\|")) | \(standard) | \(key.meaning) |\n"
        }
        return page + """

            ## An example

            ```yaml
            server:
              listen: 127.0.0.1:8080
            data:
              directory: ./var
            upstreams:
              aoai:
                kind: azure-openai
                endpoint: https://my-resource.openai.azure.com
                apiKey: ${UPSTREAM_KEY}
              spare:
                kind: openai
                endpoint: https://llm.internal.example/v1
                apiKey: ${SPARE_KEY}
              translator:
                kind: azure-ai
                endpoint: https://api.cognitive.microsofttranslator.com
                apiKey: ${TRANSLATOR_KEY}
                paths: [/translator]
              documents:
                kind: embedded
                documents: ./samples/documents
            deployments:
              gpt-4o:
                policy: Strict
                targets:
                  - {upstream: aoai, model: gpt-4o}
                  - {upstream: spare, model: llama-3, priority: 1}
                limits:
                  tokensPerMinute: 100000
                price: {promptPer1K: 0.0025, completionPer1K: 0.01}
              local:
                upstream: documents
            limits:
              "key:*": {requestsPerMinute: 600}
              "team:research": {tokensPerMonth: 50000000}
            policies:
              directory: ./policies
            ```

            """
    }
}
