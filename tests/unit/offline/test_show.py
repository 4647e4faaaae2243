from io import StringIO

from rich.console import Console

from semwatchd.offline.show import figure, progress


def test_without_a_terminal_progress_is_a_line_now_and_then() -> None:
    text = StringIO()
    with progress(Console(file=text), 200) as report:
        for done in range(200):
            report(done, "measuring")
    assert text.getvalue() == "0/200 measuring\n"


def test_on_a_terminal_progress_is_a_bar_with_the_count() -> None:
    text = StringIO()
    with progress(Console(file=text, force_terminal=True, width=100), 8) as report:
        report(8, "stored 8")
    assert "8/8" in text.getvalue()


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert figure(None, "s") == "-"
    assert figure(1.234, "s") == "1.23 s"
