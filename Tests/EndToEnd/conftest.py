import time

import pytest
from openai import AzureOpenAI, OpenAI

from gateway import API, BINARY, MARKER_LIST, WORD, Gateway
from mock_upstream import MockUpstream


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist: 'make build' makes it, SALLYPORT_BIN names another", returncode=2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its gateways logged meanwhile."""
    report = yield
    if report.failed:
        for gateway in {id(v): v for v in item.funcargs.values() if isinstance(v, Gateway)}.values():
            start = item.stash.get(LOG_START, {}).get(id(gateway), 0)
            report.sections.append((f"gateway log {gateway.directory.name}", gateway.log()[start:][-6000:]))
    return report


LOG_START = pytest.StashKey()


@pytest.fixture(scope="session")
def upstream():
    mock = MockUpstream().start()
    yield mock
    mock.stop()


@pytest.fixture
def mock(upstream):
    """The mock upstream, empty."""
    upstream.clear()
    yield upstream
    assert not upstream.failures, upstream.failures


class Keys:
    """Secrets of the keys that the shared gateway knows."""

    def __init__(self, gateway):
        self.made = {
            "user": gateway.key("user"),
            "other": gateway.key("other"),
            "foreign": gateway.key("foreign", project="elsewhere"),
            "narrow": gateway.key("narrow", deployments="gpt-4o,embed"),
            "operator": gateway.key("operator", roles="model-user,safety-operator"),
            "reader": gateway.key("reader", roles="metrics-reader"),
            "short": gateway.key("short", expires="1s"),
        }
        self.short_made_at = time.monotonic()

    def __getattr__(self, name):
        return self.made[name]["secret"]


@pytest.fixture(scope="session")
def keys(shared_gateway):
    return shared_gateway.keys


@pytest.fixture(scope="session")
def shared_gateway(upstream, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("shared"), upstream.url)
    gateway.keys = Keys(gateway)
    gateway.start()
    gateway.replace_blocklist(MARKER_LIST, [{"text": WORD}], key=gateway.keys.operator)
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(request, shared_gateway, mock):
    """The gateway that tests share, in front of an empty mock."""
    assert shared_gateway.process.poll() is None, f"the gateway ended during an earlier test:\n{shared_gateway.log()[-4000:]}"
    request.node.stash.setdefault(LOG_START, {})[id(shared_gateway)] = len(shared_gateway.log())
    return shared_gateway


@pytest.fixture
def make_gateway(upstream, mock, tmp_path, request):
    """Starts gateways of a test's own: `make_gateway(change=…)`; `change` edits the configuration tree."""
    made = []

    def make(change=None, start=True, environment=None):
        gateway = Gateway(tmp_path / f"gateway{len(made)}", upstream.url, change, environment)
        made.append(gateway)
        request.node.funcargs[f"gateway{len(made)}"] = gateway
        gateway.user = gateway.key("user")["secret"]
        gateway.operator = gateway.key("operator", roles="model-user,safety-operator")["secret"]
        if start:
            gateway.start()
            gateway.replace_blocklist(MARKER_LIST, [{"text": WORD}], key=gateway.operator)
        return gateway

    yield make
    for gateway in made:
        gateway.kill()


@pytest.fixture
def azure(gateway, keys):
    """The SDK's Azure client, as an application would build it."""
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=keys.user, api_version=API, max_retries=0) as client:
        yield client


@pytest.fixture
def v1(gateway, keys):
    """The SDK's plain client on Azure's v1 base."""
    with OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=keys.user, max_retries=0) as client:
        yield client
