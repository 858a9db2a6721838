import Foundation
import NIOCore
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportGuard

/// The remote guards of the configuration, put together.
enum RemoteGuards {
    /// nil when there are none.
    static func reader(_ plan: ServerPlan, client: EgressClient) -> OpinionReader? {
        guard !plan.remoteGuards.isEmpty else { return nil }
        let upstreams = Dictionary(plan.upstreams.map { ($0.id, $0) }) { first, _ in first }
        let guards = plan.remoteGuards.map { (guard: make($0, upstreams[$0.upstream], client), budget: $0.budget) }
        // Seconds of a clock that is never set back.
        return OpinionReader(guards) { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000_000) }
    }

    private static func make(
        _ plan: ServerPlan.RemoteGuardPlan, _ upstream: UpstreamDescriptor?, _ client: EgressClient
    ) -> any RemoteGuard {
        func call(_ path: String) -> SideCall {
            SideCall(client: client, upstream: plan.upstream, path: path, timeout: plan.budget.timeout)
        }
        switch plan.kind {
        case .promptShields(let version): return PromptShieldGuard(id: plan.id, call: call(PromptShieldGuard.path(apiVersion: version)))
        case .contentSafety(let version): return ContentSafetyGuard(id: plan.id, call: call(ContentSafetyGuard.path(apiVersion: version)))
        case .judge(let model, let categories):
            return JudgeGuard(
                id: plan.id, call: call(chatPath(model, upstream)), model: model, categories: categories,
                maximumText: plan.maximumText ?? 24_000)
        case .classifier(let path, let category, let shape):
            return ClassifierGuard(id: plan.id, call: call(path), category: category, shape: shape, maximumText: plan.maximumText ?? 10_000)
        }
    }

    private static func segment(_ name: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return name.addingPercentEncoding(withAllowedCharacters: allowed) ?? name
    }

    /// Where an upstream takes chat completions.
    static func chatPath(_ model: String, _ upstream: UpstreamDescriptor?) -> String {
        guard let upstream, upstream.kind == .azureOpenAI else { return "/chat/completions" }
        return "/openai/deployments/\(segment(model))/chat/completions?api-version=\(upstream.apiVersion)"
    }
}
