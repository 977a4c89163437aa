"""The reading path in docs/: its code prints what the pages say, links are valid, pictures are up to date."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image, ImageFilter

from helpers import ROOT, headless_browser
from helpers.pages import DOCS, assert_says_the_same, load, problems_of
from npfaceapi import non_max_suppression

PAGES = sorted(DOCS.glob("[0-9][0-9]-*.md"))  # the reading path
BUDGET = 3_000_000  # bytes of all pictures together

PICTURE = re.compile(r"!\[([^\]]*)\]\((pictures/[^)]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


pages = load(DOCS / "pages.py")
reading_time = load(DOCS / "reading_time.py")
each_page_with_code = pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)

# ------------------------------------------------------------------ code and its output


@pytest.mark.slow
@each_page_with_code
def test_code_runs_and_prints_what_the_page_says(page):
    blocks = list(pages.run(page.read_text("utf-8"), page.name))
    assert len(blocks) >= 3
    for block in blocks:
        assert (block.stated is None) == (block.printed == ""), block.code
        if block.stated is not None:
            assert_says_the_same(block.stated, block.printed)


@pytest.mark.parametrize(
    ("stated", "printed"),
    [
        ("0.97", "0.95"),
        ("82 boxes", "81 boxes"),
        ("(1, 128)", "(1, 127)"),
        ("1,234", "1,235"),
        ("a 1.0", "b 1.0"),
        ("1.0e-10", "1.0e-09"),
    ],
)
def test_the_comparison_finds_differences(stated, printed):
    with pytest.raises(AssertionError):
        assert_says_the_same(stated, printed)


def test_the_comparison_allows_the_last_digit():
    assert_says_the_same("[0.97 -1.50]\n 12 x 1,234.5", "[0.98 -1.49]\n12 x 1,234.6")


def test_every_block_of_code_is_found():
    for page in pages.PAGES:
        text = page.read_text("utf-8")
        assert len(re.findall(r"^```(?:python|sh)$", text, re.MULTILINE)) == len(pages._BLOCK.findall(text)), page.name
        assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0, page.name


@pytest.mark.slow
def test_pages_can_be_written_anew():
    text = "```python\nprint(1 + 1)\n```\n\n```\n3\n```\nprose\n"
    assert pages.rewritten(text, "test") == text.replace("3", "2")
    assert pages.rewritten("```sh\nnpfaceapi backends\n```\n", "test").count("```") == 4
    with pytest.raises(ValueError, match="expected calls of npfaceapi in a block of sh, got 'rm x'"):
        pages.rewritten("```sh\nrm x\n```\n", "test")


def test_running_the_pages_says_what_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["pages.py"])
    page = tmp_path / "00-sum.md"
    monkeypatch.setattr(pages, "PAGES", [page, page])
    page.write_text("```python\nprint(1 + 1)\n```\n\n```\n2\n```\n```python\nx = 1\n```\n", "utf-8")
    assert pages.main() == 0
    assert capsys.readouterr().out == "2 pages, 4 blocks, all as stated\n"
    page.write_text(page.read_text("utf-8").replace("2", "3"), "utf-8")
    assert pages.main() == 1
    assert capsys.readouterr().out == "00-sum.md: prints something else\n" * 2


# ------------------------------------------------------------------ numbers in the prose

#: Numbers that no code of the page prints, with their sources.
QUOTED = {
    "02-separable": {"70.6": "MobileNets, table 4", "71.7": "MobileNets, table 4"},
    "06-non-max-suppression": {"0.4": "IOU_THRESHOLD in networks/tiny_yolov2.py"},
    "08-alignment": {"0.6": "DEFAULT_THRESHOLD in faces/matcher.py", "1.7": "version of TensorFlow.js"},
    "09-descriptor": {"99.38": "King, 2017"},
    "10-expression-age-gender": {
        "0.5": "decode in networks/age_gender_net.py",
        "34.7": "Gender Shades",
        "4.54": "README of face-api.js",
        "9.91": "README of face-api.js",
    },
    "11-weights": {"0.10": "version of the npm package"},
    "exercises": {"0.6": "DEFAULT_THRESHOLD in faces/matcher.py", "1704.04503": "arXiv"},
    "own-network": {"1998": "LeCun et al.", "2009": "Jarrett et al."},
}


def prose_of(text):
    """The text of a page without code, addresses, references and pictures, whose numbers are compared with what is drawn."""
    text = PICTURE.sub("", text)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(?:    .*\n)+", "", text, flags=re.MULTILINE)
    text = re.sub(r"^To read on:(?:.*\n)+?\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"`[^`]*`", "", text)


def unproven(text, quoted=()):
    """Numbers with a decimal point or four digits that are in the text, but neither in the code nor in its output."""
    code = " ".join(re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE))
    shown = {n.replace(",", "") for n in re.findall(r"\d[\d,]*(?:\.\d+)?", code)}
    found = [n.replace(",", "") for n in re.findall(r"(?<![\w.])\d[\d,]*\d(?:\.\d+)?|(?<![\w.])\d\.\d+", prose_of(text))]
    told = {n for n in found if "." in n or len(n) >= 4}
    return sorted(n for n in told if n not in shown | set(quoted) and not any(_rounds_to(m, n) for m in shown))


def _rounds_to(shown, told):
    digits = len(told.partition(".")[2])
    return len(shown) > len(told) and round(float(shown), digits) == float(told)


@each_page_with_code
def test_numbers_in_the_prose_are_computed_on_the_page(page):
    assert unproven(page.read_text("utf-8"), QUOTED.get(page.stem, ())) == []


def test_an_unproven_number_is_found():
    text = "It scores 0.97, and 3.14, of 5118.\n\n```python\nprint(0.9655)\n```\n\n```\n0.9655\n```\n"
    assert unproven(text) == ["3.14", "5118"]


# ------------------------------------------------------------------ links


@pytest.mark.parametrize("page", [*sorted(DOCS.glob("*.md")), ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_to_what_they_name(page):
    assert problems_of(page.read_text("utf-8"), page.parent) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[here](nowhere.md)", "nowhere.md: no such file"),
        ("[`conv3d`](../npfaceapi/ops.py)", "../npfaceapi/ops.py defines no `conv3d`"),
        ("[conv2d](../npfaceapi/ops.py)", "../npfaceapi/ops.py defines no conv2d"),
        ("[there](differences.md#nothing)", "differences.md#nothing: no such heading"),
        ("[above](#nothing)\n# Something", "#nothing: no such heading"),
        ("[arXiv:1.2](https://arxiv.org/abs/1.3)", "arXiv:1.2 leads to https://arxiv.org/abs/1.3"),
    ],
)
def test_a_wrong_link_is_found(text, problem):
    assert problems_of(text, DOCS) == [problem]


@each_page
def test_pages_follow_each_other_and_explain_code(page):
    text = page.read_text("utf-8")
    position = PAGES.index(page)
    last = text.strip().splitlines()[-1]
    assert ("README.md" if page is PAGES[-1] else PAGES[position + 1].name) in last
    assert position == 0 or PAGES[position - 1].name in last
    assert text.startswith(f"# {position}. ")
    assert text.count(".py)") >= 2
    assert "## Where it is in the code" in text
    assert "To read on: " in text


QUESTION = re.compile(r"^<details><summary>(\d)\. ([^`\n]+)</summary>\n\n(.+?)\n\n</details>$", re.DOTALL | re.MULTILINE)


@each_page
def test_a_page_asks_three_questions_and_code_answers_them(page):
    section = page.read_text("utf-8").partition("\n## Questions\n")[2].partition("\n## Where it is in the code\n")[0]
    questions = QUESTION.findall(section)
    assert [number for number, _, _ in questions] == ["1", "2", "3"]
    assert section.count("<details>") == 3
    assert sum(question.startswith("Predict, then run: ") for _, question, _ in questions) == 1
    for _, question, answer in questions:
        assert not answer.startswith("```"), question
        assert any(match[3] for match in pages._BLOCK.finditer(answer + "\n")), question


def test_every_exercise_names_its_page_and_time_and_has_a_solution_that_runs():
    text = (DOCS / "exercises.md").read_text("utf-8")
    heading = r"^## (\d+)\. [^\n]+ \(pages? [\d, andto]+, \d+ minutes([^)\n]*)\)\n\n"
    exercises = re.findall(heading + r"(.+?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert [int(number) for number, _, _ in exercises] == list(range(1, text.count("\n## ") + 1))
    for number, people, told in exercises:
        solution = re.search(r"^<details><summary>Solution</summary>\n\n(.+?)^</details>$", told, re.DOTALL | re.MULTILINE)
        assert bool(solution) != bool(people), number
        assert people or any(match[3] for match in pages._BLOCK.finditer(solution[1])), number


def test_the_index_lists_every_page():
    index = (DOCS / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\d\d-.*?\.md)\)", index) == [page.name for page in PAGES]
    assert "docs/README.md" in (ROOT / "README.md").read_text("utf-8")


def test_the_index_says_what_there_is_to_read_and_to_do():
    index = (DOCS / "README.md").read_text("utf-8")
    assert reading_time.rewritten(index) == index


def test_a_page_is_counted():
    text = (
        "# One\n\nTwo [words](a.md) here.\n\n![A picture](pictures/a.svg)\n\n```python\na = 1\n\nb = 2\n```\n\n```\nout\n```\n\n"
        "<!-- figure: grid -->\n\n<details><summary>1. Why?</summary>\n\nSo.\n\n```python\nprint(a)\n```\n\n</details>\n\n"
        "## Where it is in the code\n\nNot counted.\n"
    )
    assert reading_time.contents(text) == (4, 2, 2, 1, 1, 1)
    assert reading_time.contents("word " * 1300).minutes == 10


def test_the_worksheet_of_the_lessons_has_the_answers_of_the_pages():
    text = (DOCS / "teaching.md").read_text("utf-8")
    table = text.partition("## Worksheet")[2].split("```")[1]
    image = np.array([row.split() for row in table.strip().replace("[2]", "2").splitlines()], int)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    sums = np.einsum("ijkl,kl->ij", windows, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert f"1\\. {sums[0, 0]}, {sums[0, 1]} and {sums[0, 2]}:" in text
    boxes = [[x, 0, 4, 4] for x in (0, 1, 2, 8)]
    kept = [non_max_suppression(boxes, [0.9, 0.8, 0.7, 0.6], overlap) for overlap in (0.5, 0.3)]
    assert kept == [[0, 2, 3], [0, 3]]
    assert "At 0.5 the first, third and fourth; at 0.3 the first and fourth" in text


def test_the_network_of_ones_own_runs_in_onnx(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    text = (DOCS / "own-network.md").read_text("utf-8")
    (export,) = re.findall(r"^```py\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    namespace = {}
    for block in re.findall(r"^```python\n(.*?)^```", text.partition("## The fast engine")[0], re.DOTALL | re.MULTILINE):
        exec(block, namespace)
    monkeypatch.chdir(tmp_path)
    exec(export, namespace)
    session = onnxruntime.InferenceSession("shapes.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": namespace["pictures"]})
    assert np.allclose(logits, namespace["logits"], atol=1e-4, rtol=0)


# ------------------------------------------------------------------ pictures


#: Colours that an alternative text can name, as the scripts' constants.
COLORS = {"orange": "ORANGE", "green": "GREEN", "purple": "PURPLE", "cyan": "CYAN", "white": "WHITE", "yellow": "YELLOW",
          "light blue": "SKY"}  # fmt: skip
#: "One" is not among them: it is seldom a number.
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}


@pytest.fixture(scope="module")
def make():
    with pytest.MonkeyPatch.context() as patch:
        yield load(DOCS / "pictures" / "make.py", patch)


@pytest.fixture(scope="module")
def drawn(make):
    """Every picture of the pages and of their index by name, drawn anew."""
    own = {script.__name__: script.svg() for script in (make.chain, make.distances)}
    return {name: draw() for name, draw in make.PICTURES.items()} | own


def numbers_in(text):
    figures = [n.replace(",", "") for n in re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?", text.replace("×", " "))]
    return {float(n) for n in figures} | {float(NUMBERS[word]) for word in re.findall(r"\w+", text.lower()) if word in NUMBERS}


def untold(words, told, colors):
    """What an alternative text says, and its picture does not: numbers, colours, words in quotes, and names with capitals.

    A number is told by a text that has it and another word of its part of the sentence.
    """

    def words_in(text):
        return set(re.findall(r"[^\W\d]{3,}", text.lower())) - {"all", "and", "are", "has", "its", "that", "the"} - set(NUMBERS)

    texts = [(numbers_in(text), words_in(text)) for text in told]
    wrong = set()
    for part in re.split(r"[:;.](?= )|,(?= \D)", words):
        near = words_in(part)
        wrong |= {f"{n:g}" for n in numbers_in(part) if not any(n in numbers and near & others for numbers, others in texts)}
    names = {*re.findall('"([^"]+)"', words), *re.findall(r"(?<=[^.:] )\w*[A-Z]\w*(?:-\w+)*", words)}
    named = re.findall(r"\b(?:" + "|".join(COLORS) + r")\b", words)
    wrong |= {name for name in names if not any(name in text for text in told)}
    return sorted(wrong | {name for name in named if name not in colors and not any(name in text for text in told)})


def difference(a, b):
    """The share of visibly different pixels after a slight blur: versions of Pillow draw letters differently."""
    blurred = [np.asarray(image.convert("RGB").filter(ImageFilter.BoxBlur(2)), np.int16) for image in (a, b)]
    if blurred[0].shape != blurred[1].shape:
        return 1.0
    return float((np.abs(blurred[0] - blurred[1]).max(axis=2) > 24).mean())


def test_every_picture_is_referenced_made_and_small(make):
    pictures = [path for path in (DOCS / "pictures").iterdir() if path.suffix in (".png", ".svg")]
    texts = [page.read_text("utf-8") for page in (*PAGES, DOCS / "README.md", DOCS / "architecture.md")]
    assert {target for text in texts for _, target in PICTURE.findall(text)} == {f"pictures/{path.name}" for path in pictures}
    assert sorted(path.stem for path in pictures) == sorted([*make.PICTURES, "architecture", "chain", "distances"])
    assert sum(path.stat().st_size for path in pictures) < BUDGET


@pytest.mark.parametrize("path", sorted((DOCS / "pictures").glob("*.svg")), ids=lambda path: path.stem)
def test_text_in_svg_can_be_read_on_a_phone(path, make):
    assert smallest_on_a_phone(path.read_text("utf-8"), make.detectors.Sheet.PHONE) >= make.detectors.Sheet.READABLE


@pytest.mark.skipif(headless_browser.MISSING is not None, reason=str(headless_browser.MISSING))
@pytest.mark.slow
def test_nothing_in_svg_is_cut_at_its_edge(tmp_path):
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 50 20" width="50" height="20">'
    (tmp_path / "cut.svg").write_text(f'{head}<text y="15">too long by far</text></svg>')
    with headless_browser.Browser() as browser:
        for path in (*sorted((DOCS / "pictures").glob("*.svg")), tmp_path / "cut.svg"):
            browser.open(path)
            cut = browser.run("""
                const { width, height } = document.documentElement.viewBox.baseVal;
                return [...document.querySelectorAll("text, svg > rect, circle")].filter((part) => {
                    const { x, y, width: w, height: h } = part.getBBox();
                    return x < 0 || y < 0 || x + w > width || y + h > height;
                }).map((part) => part.textContent || part.outerHTML)""")
            assert cut == (["too long by far"] if path.stem == "cut" else []), path.name


def smallest_on_a_phone(svg, phone):
    width = float(re.search(r' width="(\d+)"', svg)[1])
    sizes = [float(size) for size in re.findall(r'font-size[:=]\s*"?([\d.]+)|', svg) if size]
    return min(sizes + [float(size) for size in re.findall(r"font:[^;]*?([\d.]+)px", svg)]) * phone / width


def test_text_too_small_for_a_phone_is_found(make):
    assert smallest_on_a_phone('<svg width="716"><text font-size="21"/><text font-size="30"/></svg>', 358) == 10.5
    assert smallest_on_a_phone('<svg width="358"><style>text { font: bold 12px x } .a { font-size: 9px }</style></svg>', 358) == 9
    for canvas in (make.detectors.Sheet(716, 100), make.blocks.Drawing(716, 100, "")):
        canvas.text(0, 0, "large enough", 22)
        with pytest.raises(ValueError, match=r"^'small': expected text of at least 22.0 pixels, got 21$"):
            canvas.text(0, 0, "small", 21)


@each_page
def test_pictures_have_words_for_who_cannot_see_them(page):
    for words, target in PICTURE.findall(page.read_text("utf-8")):
        assert len(words.split()) >= 8, target


@pytest.mark.slow
def test_the_scripts_draw_the_committed_pictures(make, drawn):
    for name in make.PICTURES:
        picture = drawn[name].finished()
        if isinstance(picture, str):
            assert picture == (DOCS / "pictures" / f"{name}.svg").read_text("utf-8"), name
            continue
        with Image.open(DOCS / "pictures" / f"{name}.png") as committed:
            assert difference(picture, committed) < 0.005, name


@pytest.mark.slow
@pytest.mark.parametrize("page", [*PAGES, DOCS / "README.md"], ids=lambda page: page.stem)
def test_alternative_texts_say_what_the_scripts_draw(page, make, drawn):
    for words, target in PICTURE.findall(page.read_text("utf-8")):
        canvas = drawn[target.removeprefix("pictures/").partition(".")[0]]
        if isinstance(canvas, str):
            assert untold(words, re.findall(r">([^<]+)</t", canvas), ()) == [], target
        else:
            colors = [name for name, constant in COLORS.items() if getattr(make.detectors, constant) in canvas.colors]
            assert untold(words, canvas.told, colors) == [], target


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("Seven boxes, the best box, 620, in orange, and one after", []),
        ("Six boxes in orange", ["6"]),
        ("The best score, 0.956", ["0.956"]),
        ("Seven anchors, two boxes", ["2", "7"]),
        ("A 6×7 grid of 5,118 anchors", ["5118", "6", "7"]),
        ("Orange and light blue: light blue is the best", ["light blue"]),
        ('The logit of "sad", as P-Net has it', ["P-Net", "sad"]),
    ],
)
def test_a_wrong_alternative_text_is_found(words, wrong):
    assert untold(words, ["before: 7 boxes", "score of box 620: 0.965", "two anchors"], ["orange"]) == wrong


def test_another_picture_is_found():
    with Image.open(DOCS / "pictures" / "nms.png") as nms:
        other = nms.convert("RGB")
        other.paste(nms.crop((362, 40, 708, 386)), (8, 40))  # the seven boxes become one
        assert difference(nms, nms) == 0
        assert difference(nms, other) > 0.005
        assert difference(nms, nms.crop((0, 0, 800, 300))) == 1
