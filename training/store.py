"""What the model said, kept in a file: a long calibration or evaluation that was stopped goes on where it was, and one that is repeated reads nothing twice."""
import hashlib
import pathlib

import numpy as np

KEY = 16


class Store:
    """Sequence logits by the tokens that were read. Records are appended; a last one that is cut short is dropped. Another model or precision has another file."""

    def __init__(self, folder, model_files, precision, width):
        digest = hashlib.sha256(precision.encode())
        for path in model_files:
            digest.update(pathlib.Path(path).read_bytes())
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.width = folder / f"{digest.hexdigest()[:16]}.logits", width
        size = KEY + 4 * width
        held = self.path.read_bytes() if self.path.exists() else b""
        whole = len(held) // size * size
        records = np.frombuffer(held[:whole], np.dtype([("key", f"V{KEY}"), ("logits", np.float32, (width,))]))
        self.known = {r["key"].tobytes(): r["logits"] for r in records}
        self.out = open(self.path, "ab")
        self.out.truncate(whole)

    @staticmethod
    def key(row):
        """`row` is (ids, types, case)."""
        digest = hashlib.sha256()
        for part in row:
            digest.update(np.asarray(part, np.int32).tobytes())
            digest.update(b"/")
        return digest.digest()[:KEY]

    def add(self, key, logits):
        if key not in self.known:
            logits = np.asarray(logits, np.float32)
            self.known[key] = logits
            self.out.write(key + logits.tobytes())

    def flush(self):
        self.out.flush()
