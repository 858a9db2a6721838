import CLibXML
import SallyportCore

/// Walks through an XML file element by element. Document types are refused, so there are no entities to expand and nothing to fetch.
struct XMLWalker: ~Copyable {
    enum Event {
        case start(name: String, isEmpty: Bool)
        case end(name: String)
        case text(String)
    }

    private let reader: xmlTextReaderPtr
    private static let deepest: Int32 = 250

    /// - Parameter bytes: must outlive the walker.
    init(_ bytes: UnsafeRawBufferPointer) throws(DocumentProblem) {
        guard bytes.count <= Int(Int32.max) / 2 else { throw .tooLarge }
        let options = XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue | XML_PARSE_NOCDATA.rawValue
        let made = xmlReaderForMemory(bytes.bindMemory(to: CChar.self).baseAddress, Int32(bytes.count), nil, nil, Int32(options))
        guard let made else { throw .malformed }
        reader = made
    }

    deinit { xmlFreeTextReader(reader) }

    /// - Returns: nil at the end.
    func next() throws(DocumentProblem) -> Event? {
        while true {
            let status = xmlTextReaderRead(reader)
            if status == 0 { return nil }
            guard status == 1 else { throw .malformed }
            guard xmlTextReaderDepth(reader) <= XMLWalker.deepest else { throw .tooDeep }
            switch xmlTextReaderNodeType(reader) {
            case Int32(XML_READER_TYPE_DOCUMENT_TYPE.rawValue), Int32(XML_READER_TYPE_ENTITY_REFERENCE.rawValue),
                Int32(XML_READER_TYPE_ENTITY.rawValue):
                throw .declaresEntities
            case Int32(XML_READER_TYPE_ELEMENT.rawValue):
                return .start(name: localName, isEmpty: xmlTextReaderIsEmptyElement(reader) == 1)
            case Int32(XML_READER_TYPE_END_ELEMENT.rawValue): return .end(name: localName)
            case Int32(XML_READER_TYPE_TEXT.rawValue), Int32(XML_READER_TYPE_CDATA.rawValue),
                Int32(XML_READER_TYPE_SIGNIFICANT_WHITESPACE.rawValue), Int32(XML_READER_TYPE_WHITESPACE.rawValue):
                guard let value = xmlTextReaderConstValue(reader) else { continue }
                return .text(String(cString: value))
            default: continue
            }
        }
    }

    private var localName: String { xmlTextReaderConstLocalName(reader).map { String(cString: $0) } ?? "" }

    /// An attribute of the element that ``next()`` came to, by its local name.
    func attribute(_ name: String) -> String? {
        guard xmlTextReaderHasAttributes(reader) == 1 else { return nil }
        var found: String?
        var status = xmlTextReaderMoveToFirstAttribute(reader)
        while status == 1 {
            if localName == name, found == nil { found = xmlTextReaderConstValue(reader).map { String(cString: $0) } }
            status = xmlTextReaderMoveToNextAttribute(reader)
        }
        xmlTextReaderMoveToElement(reader)
        return found
    }

    /// All attributes of that local name, of whatever namespace, in their order.
    func attributes(_ name: String) -> [String] {
        guard xmlTextReaderHasAttributes(reader) == 1 else { return [] }
        var found: [String] = []
        var status = xmlTextReaderMoveToFirstAttribute(reader)
        while status == 1 {
            if localName == name, let value = xmlTextReaderConstValue(reader) { found.append(String(cString: value)) }
            status = xmlTextReaderMoveToNextAttribute(reader)
        }
        xmlTextReaderMoveToElement(reader)
        return found
    }
}
