import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Content Safety's objects as JSON.
enum SafetyJSON {
    static func write(_ list: Blocklist, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("blocklistName")
        json.string(list.name)
        if let description = list.description {
            json.key("description")
            json.string(description)
        }
        json.endObject()
    }

    static func write(_ item: BlocklistItem, _ json: inout JSONWriter) {
        json.beginObject()
        json.key("blocklistItemId")
        json.string(item.id)
        json.key("text")
        json.string(item.text)
        if let description = item.description {
            json.key("description")
            json.string(description)
        }
        json.key("isRegex")
        json.bool(item.isRegex)
        json.endObject()
    }

    static func one<T>(_ value: T, _ write: (T, inout JSONWriter) -> Void) -> ByteBuffer {
        var json = JSONWriter(capacity: 256)
        write(value, &json)
        return json.buffer
    }

    static func page<T>(
        _ page: BlocklistOperations.Page<T>, next: (String) -> String, _ write: (T, inout JSONWriter) -> Void
    ) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.key("value")
        json.beginArray()
        for value in page.value { write(value, &json) }
        json.endArray()
        if let following = page.next {
            json.key("nextLink")
            json.string(next(following.query))
        }
        json.endObject()
        return json.buffer
    }
}
