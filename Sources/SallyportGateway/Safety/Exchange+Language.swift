import SallyportCore

extension Exchange {
    func answerLanguage() throws { throw Fault.resourceNotFound }
}
