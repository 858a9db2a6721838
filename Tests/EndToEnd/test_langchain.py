"""LangChain's OpenAI integration, unmodified."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI
from pydantic import BaseModel

from gateway import API, MARKER
from mock_upstream import fixture

ANSWER = fixture("chat/basic")["response"]["body"]["choices"][0]["message"]["content"]
QUESTION = [SystemMessage("You answer questions about the harbour."), HumanMessage("When does the office open?")]


@pytest.fixture
def azure_model(gateway, keys):
    return AzureChatOpenAI(azure_endpoint=gateway.url, azure_deployment="gpt-4o", api_key=keys.user, api_version=API, max_retries=0)


@pytest.fixture
def v1_model(gateway, keys):
    return ChatOpenAI(base_url=f"{gateway.url}/openai/v1", model="gpt-4o", api_key=keys.user, max_retries=0)


@pytest.fixture(params=["azure_model", "v1_model"])
def model(request):
    return request.getfixturevalue(request.param)


def test_invokes(model):
    answer = model.invoke(QUESTION)
    assert isinstance(answer, AIMessage) and answer.content == ANSWER
    assert answer.usage_metadata["total_tokens"] == 42


def test_streams(model):
    assert "".join(chunk.content for chunk in model.stream(QUESTION)) == ANSWER


@tool
def get_tide(harbour: str, day: str) -> str:
    """The tide table of a harbour."""
    return f"0.4 m in {harbour} {day}"


def test_binds_tools(model):
    call = model.bind_tools([get_tide]).invoke("The tide in Gdynia today?").tool_calls[0]
    assert (call["name"], call["args"]) == ("get_tide", {"harbour": "Gdynia", "day": "today"})


class Event(BaseModel):
    """A calendar entry."""

    title: str
    date: str
    people: list[str]


def test_structures_output(model):
    found = model.with_structured_output(Event, method="json_schema").invoke("Ann and Piotr meet on Friday for the crane review.")
    assert found == Event(title="Crane review", date="Friday", people=["Ann", "Piotr"])


def test_embeds(gateway, keys):
    model = AzureOpenAIEmbeddings(
        azure_endpoint=gateway.url, azure_deployment="embed", api_key=keys.user, api_version=API, check_embedding_ctx_length=False
    )
    assert [len(v) for v in model.embed_documents(["the north quay", "the pilot boat"])] == [8, 8]


def test_blocked_prompt_raises(gateway, keys, mock):
    model = AzureChatOpenAI(azure_endpoint=gateway.url, azure_deployment="marked", api_key=keys.user, api_version=API, max_retries=0)
    with pytest.raises(Exception, match="content management policy"):
        model.invoke([HumanMessage(MARKER)])
    assert mock.requests == []
