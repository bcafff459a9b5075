"""The JSON that a server reads and writes, as pydantic models: they check it, and /docs shows them."""
from collections import namedtuple

TOP = 100  # tokens a blank, at most
Schemas = namedtuple('Schemas', 'Classify Classified Fill Filled Models Error Health')


def schemas(max_text, max_texts):
    """The models of requests and answers. Arguments: `max_text` characters a text, `max_texts` texts a request."""
    from typing import Annotated

    from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag
    Text = Annotated[str, StringConstraints(min_length=1, max_length=max_text)]
    Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]
    Texts = Annotated[Annotated[Text, Tag('text')] | Annotated[Pair, Tag('pair')],  # tagged, an error is of one alone
                      Discriminator(lambda value: 'pair' if isinstance(value, list) else 'text')]
    Whole = Annotated[int, BeforeValidator(  # to JSON 5.0 is an integer, "5" and true are none
        lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)]

    class Request(BaseModel):
        model_config = ConfigDict(extra='forbid')  # a misspelt field is an error, not a default
        model: str = Field(description='A name of GET /v1/models.', examples=['sentiment'])

    class Classify(Request):
        texts: list[Texts] = Field(
            min_length=1, max_length=max_texts, examples=[['房间很干净，服务也热情', '又吵又脏，再也不来了']],
            description='Texts, or pairs of texts where the model reads two.')
        pattern: Text | None = Field(None, description='A name of the model\'s patterns, or a pattern of your own with '
                                                       '[MASK] and {text} ({text_a} and {text_b} for pairs).')

    class Prediction(BaseModel):
        label: str
        probabilities: dict[str, float]

    class Classified(BaseModel):
        model: str
        predictions: list[Prediction]

    class Fill(Request):
        text: Text = Field(description='With [MASK] for each blank.', examples=['房间很[MASK]净。'],
                           json_schema_extra={'pattern': r'\[MASK\]'})
        top: Whole = Field(5, ge=1, le=TOP, strict=True, description='Tokens a blank.')

    class Token(BaseModel):
        token: str
        probability: float

    class Filled(BaseModel):
        model: str
        filled: str
        blanks: list[list[Token]]

    class Known(BaseModel):
        pattern: str
        words: dict[str, list[str]]

    class Model(BaseModel):
        name: str
        kind: str = Field(description='prompt, exported, or as model.json says it: cloze, fine-tuning, …')
        description: str
        labels: list[str]
        pair: bool = Field(description='Whether it reads two texts.')
        pattern: str | None = Field(description='The one that it asks with; none of a fine-tuned model.')
        words: dict[str, list[str]] = Field(description='The words that say each label.')
        patterns: dict[str, Known] = Field(description='Those that may be asked for by name, and the words of each.')
        fills: bool = Field(description='Whether POST /v1/fill takes it.')
        causal: bool = Field(description='Whether it reads from left to right, so that blanks must stand last.')
        example: list[str]

    class Models(BaseModel):
        models: list[Model]

    class Message(BaseModel):
        message: str

    class Error(BaseModel):
        error: Message

    class Health(BaseModel):
        status: str
    return Schemas(Classify, Classified, Fill, Filled, Models, Error, Health)
