import SallyportCore

/// Tells several observers of the same exchanges, in order.
package struct CompositeObserver: ExchangeObserver {
    private let observers: [any ExchangeObserver]

    package init(_ observers: [any ExchangeObserver]) { self.observers = observers }

    package func exchangeDidStart() {
        for observer in observers { observer.exchangeDidStart() }
    }

    package func exchangeDidEnd(_ summary: ExchangeSummary) {
        for observer in observers { observer.exchangeDidEnd(summary) }
    }
}
