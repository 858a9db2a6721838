"""The encoder and its heads.

A MiniLM-L6 trunk (BERT layout, 384 wide, 6 layers, 12 heads) with one added input, `case_ids`, because the trunk is uncased and names are not.
Every sequence head pools the tokens with its own learned attention query (zero at the start: the mean), so that one sentence inside a window can decide.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from columns import BRANCH_GROUPS, CASE_CLASSES, COLUMN, ORDINAL_HEADS, SEQUENCE_GROUPS, TOKEN_COLUMNS

WIDTH = 384
LAYERS = 6
HEADS = 12
INNER = 1536
POSITIONS = 128
EPSILON = 1e-12
HEAD_HIDDEN = 128


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, EPSILON)
        self.up = nn.Linear(WIDTH, INNER)
        self.down = nn.Linear(INNER, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, x, bias):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(q, k.transpose(-1, -2)) * (1.0 / math.sqrt(WIDTH // HEADS)) + bias
        mixed = torch.matmul(torch.softmax(scores, -1), v).permute(0, 2, 1, 3).reshape(b, t, WIDTH)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Trunk(nn.Module):
    def __init__(self, vocabulary: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH)
        # What the frozen table lacks for letters outside ASCII: a correction for those tokens alone, added to the table when the model is exported. Row 0 stays zero.
        self.letters = nn.Parameter(torch.zeros(1, WIDTH))
        self.register_buffer("letter_row", torch.zeros(vocabulary, dtype=torch.long))
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.types = nn.Embedding(2, WIDTH)
        self.case = nn.Embedding(CASE_CLASSES, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        nn.init.zeros_(self.case.weight)

    def tune_letters(self, words: list):
        """Gives every token with a letter outside ASCII a row of its own that trains."""
        rows = [i for i, w in enumerate(words) if not w.isascii()]
        self.letter_row[torch.tensor(rows)] = torch.arange(1, len(rows) + 1)
        self.letters = nn.Parameter(torch.zeros(len(rows) + 1, WIDTH))

    def forward(self, ids, mask, types=None, case=None):
        t = ids.shape[1]
        x = self.words(ids) + F.embedding(self.letter_row[ids], self.letters, padding_idx=0) + self.positions.weight[:t]
        x = x + (self.types.weight[0] if types is None else self.types(types))
        if case is not None:
            x = x + self.case(case)
        x = self.norm(x)
        bias = (mask.to(x.dtype)[:, None, None, :] - 1.0) * 1e4
        for layer in self.layers:
            x = layer(x, bias)
        return x


class SequenceHeads(nn.Module):
    """Attention pooling and a two-layer head per group of sequence columns."""

    def __init__(self, named=SEQUENCE_GROUPS):
        super().__init__()
        self.names = [name for name, _ in named]
        groups = len(named)
        self.query = nn.Linear(WIDTH, groups, bias=False)
        self.hidden = nn.Parameter(torch.empty(groups, WIDTH, HEAD_HIDDEN))
        self.hidden_bias = nn.Parameter(torch.zeros(groups, 1, HEAD_HIDDEN))
        self.out = nn.ModuleList(nn.Linear(HEAD_HIDDEN, len(columns)) for _, columns in named)
        nn.init.zeros_(self.query.weight)
        nn.init.normal_(self.hidden, std=0.05)

    def sequence(self, x, mask, dropout=0.0):
        scores = self.query(x) + (mask.to(x.dtype)[:, :, None] - 1.0) * 1e4
        weights = torch.softmax(scores.transpose(1, 2), -1)  # B,G,T
        pooled = torch.matmul(weights, x).transpose(0, 1)  # G,B,W
        hidden = F.gelu(torch.matmul(F.dropout(pooled, dropout, self.training), self.hidden) + self.hidden_bias)
        columns = []
        for index, name in enumerate(self.names):
            raw = self.out[index](hidden[index])
            if name in ORDINAL_HEADS:  # P(>= 2) >= P(>= 4) >= P(>= 6) by construction
                steps = F.softplus(raw[:, 1:])
                first = raw[:, 0:1]
                raw = torch.cat([first, first - steps[:, 0:1], first - steps[:, 0:1] - steps[:, 1:2]], 1)
            columns.append(raw)
        return torch.cat(columns, 1)


class Heads(SequenceHeads):
    """The heads of the trunk's last layer: all sequence columns, and one linear layer for all token columns."""

    def __init__(self):
        super().__init__()
        self.token = nn.Linear(WIDTH, len(TOKEN_COLUMNS))
        self.token_case = nn.Embedding(CASE_CLASSES, len(TOKEN_COLUMNS))
        nn.init.zeros_(self.token_case.weight)

    def forward(self, x, mask, case):
        return self.sequence(x, mask), self.token(x) + self.token_case(case)


class Branch(nn.Module):
    """A second last layer with sequence heads of its own, for BRANCH_GROUPS alone: it reads what the trunk says below its last layer and leaves the trunk as it is (`branch.py`)."""

    columns = [COLUMN[c] for _, own in BRANCH_GROUPS for c in own]

    def __init__(self):
        super().__init__()
        self.layer = Layer()
        self.heads = SequenceHeads(BRANCH_GROUPS)

    def forward(self, x, mask, dropout=0.0):
        """`x`: the trunk's states below its last layer. Columns in the order of BRANCH_GROUPS (`Branch.columns` says which they are)."""
        bias = (mask.to(x.dtype)[:, None, None, :] - 1.0) * 1e4
        return self.heads.sequence(self.layer(F.dropout(x, dropout, self.training), bias), mask, dropout)


class Guard(nn.Module):
    def __init__(self, vocabulary: int):
        super().__init__()
        self.trunk = Trunk(vocabulary)
        self.heads = Heads()

    def forward(self, input_ids, attention_mask, token_type_ids, case_ids):
        x = self.trunk(input_ids, attention_mask, token_type_ids, case_ids)
        return self.heads(x, attention_mask, case_ids)


class Embedder(nn.Module):
    """The untouched base: mean pooling and L2 norm."""

    def __init__(self, trunk: Trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, input_ids, attention_mask):
        x = self.trunk(input_ids, attention_mask)
        m = attention_mask.to(x.dtype)[:, :, None]
        mean = (x * m).sum(1) / m.sum(1).clamp(min=1.0)
        return mean / mean.pow(2).sum(1, keepdim=True).sqrt().clamp(min=1e-12)


def quantise_rows(table: torch.Tensor):
    """int8 with one scale per row: what is shipped is also what is trained on, because the table is frozen."""
    scale = table.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127.0
    return torch.clamp(torch.round(table / scale), -127, 127).to(torch.int8), scale


def load_base(trunk: Trunk, tensors: dict) -> None:
    """Copies the tensors of a BertModel state dict."""
    def tensor(name):
        for prefix in ("", "bert.", "0.auto_model."):
            if prefix + name in tensors:
                return tensors[prefix + name].float()
        raise KeyError(name)

    with torch.no_grad():
        codes, scale = quantise_rows(tensor("embeddings.word_embeddings.weight"))
        trunk.words.weight.copy_(codes.float() * scale)
        trunk.positions.weight.copy_(tensor("embeddings.position_embeddings.weight")[:POSITIONS])
        trunk.types.weight.copy_(tensor("embeddings.token_type_embeddings.weight"))
        trunk.norm.weight.copy_(tensor("embeddings.LayerNorm.weight"))
        trunk.norm.bias.copy_(tensor("embeddings.LayerNorm.bias"))
        for i, layer in enumerate(trunk.layers):
            p = f"encoder.layer.{i}."
            for kind in ("weight", "bias"):
                layer.qkv.__getattr__(kind).copy_(torch.cat([tensor(f"{p}attention.self.{n}.{kind}") for n in ("query", "key", "value")]))
                for module, name in ((layer.out, "attention.output.dense"), (layer.norm1, "attention.output.LayerNorm"), (layer.up, "intermediate.dense"),
                                     (layer.down, "output.dense"), (layer.norm2, "output.LayerNorm")):
                    module.__getattr__(kind).copy_(tensor(f"{p}{name}.{kind}"))
