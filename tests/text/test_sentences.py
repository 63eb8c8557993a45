import re

import pytest

from audio_grpc.text.sentences import hidden_sentence_ends, paragraph_ends, sentence_ends

# Sentences are divided by a bar.
ENGLISH = [
    "Dr. Smith went to Washington. |He arrived at 5 p.m. on Monday.",
    "I live in the U.S. and like it. |It is big.",
    "The U.S. President spoke. |Mr. and Mrs. Jones left.",
    "It opens at 9 a.m. tomorrow.",
    "We use tools, e.g. hammers. |That is, i.e. the thing.",
    "J. K. Rowling wrote it. |I read it.",
    "Mr. J. R. R. Tolkien lived in Oxford.",
    "Pi is 3.14. |The price is $1,000.50 today. |Buy it at 9:30.",
    "See https://example.com/a.b?c=d.e!f for details. |Thanks.",
    "Visit www.example.com. |Mail john.doe@example.co.uk. |Now.",
    "Open main.py and config.yaml. |Done.",
    "Use Node.js or ASP.NET or My.Company.Library. |Done.",
    "Version 2.0.1 is out. |My address is 10.0.0.1.",
    '"Stop!" he said. |Then he left.',
    '"Stop!" |He said nothing.',
    "“Why?” she asked. |“Because.”",
    'He said, "Go away." |She went.',
    "“Où ?” écria-t-elle. |Nobody knew.",
    "He left (it was late). |It rained.",
    "This is it.[1] |Next one.[2] |Done.",
    "Well... maybe not. |Yes.",
    "He said ...and then. |Yes.",
    "Well… maybe not. |Yes.",
    "What?! |No way! |Really?",
    "1. First item. |2. Second item.",
    "... |and then it ended.".replace("|", ""),
    "Great! |Really great! 🎉",
    "Smith et al. found it in Fig. 3 of vol. 5 and in Apt. 7. |Good.",
    "One line.\n|Another\n line.\n \n|A paragraph without an end\r\n\r\n|Another",
    "Hello.   |World.",
    "He said “Go!”\n\n|and left.",
]
OTHERS = [
    ("de", "Prof. Dr. med. Müller kommt, z. B. am 3. Oktober. |Er ist da."),
    ("de-DE", "Am 3. Oktober ist Feiertag. |„Halt!“ rief er. |»Ärger!« äußerte sie."),
    ("fr", "Mme Dupont et M. Martin sont là. |Ça va ? |« Quoi ! » écria-t-il."),
    ("es", "El Sr. García vino. |¿Cómo estás? |¡Bien!"),
    ("ru", "— Стой! — сказал он. |— Иди сюда. |А. С. Пушкин родился в 1799 г. в Москве, т.е. давно."),
    ("zh", '今天天气很好。|我们去公园吧！|他说："走吧。"|是吗？'),
    ("zh-Hans", "他问：「你好吗？」|我说很好。|“走吧。”|好。"),
    ("en", "今天天气很好。|我们去公园吧！"),
    ("zh", "走！\ufe0f好。"),
    ("ja", "「行こう。」と彼は言った。|そうだね。|『行く！』って言った。"),
    ("ko", "안녕하세요. |반갑습니다."),
    ("hi", "मैं ठीक हूँ। |आप कैसे हैं?"),
    ("ar", "هل أنت بخير؟ |نعم."),
    ("not a code \ud800", "One. |Two."),
]


@pytest.mark.parametrize(("language_code", "marked"), [*(("en", text) for text in ENGLISH), *OTHERS])
def test_sentences_end_where_a_reader_pauses(language_code: str, marked: str) -> None:
    text = marked.replace("|", "")
    ends = sentence_ends(text, language_code)
    assert "|".join(text[start:end] for start, end in zip([0, *ends], ends, strict=False)) == marked


def test_text_that_the_library_cannot_read() -> None:
    # sentencex 1.0.32 panics on wide white space before a full stop, and refuses lone surrogates.
    assert sentence_ends("Plan A\u3000. Plan \ud800. Plan C\u00a0. D") != []


def test_language_region_does_not_hide_the_language() -> None:
    text = "Am 3. Oktober ist es."
    assert sentence_ends(text, "DE-at") == sentence_ends(text, "de") == [len(text)]
    assert sentence_ends(text, "en") != [len(text)]


def test_hidden_sentences_are_found_inside_quotations_and_brackets() -> None:
    text = "“It is here. I saw it.” (Did you? Yes.) “Stop!” he said."
    ends = hidden_sentence_ends(text)
    pieces = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert pieces == ["“It is here. ", "I saw it.” ", "(Did you? ", "Yes.) ", "“Stop!” he said."]
    assert len(sentence_ends(text)) < len(ends)


def test_paragraphs_end_after_blank_lines_of_any_kind() -> None:
    text = "One\ntwo\n\nthree\r\n\r\nfour\n \t\n\n  five"
    ends = list(paragraph_ends(text))
    assert [text[end:].split()[0] for end in ends] == ["three", "four", "five"]
    assert all(re.search(r"\s\Z", text[:end]) for end in ends)
