"""What the coding agents of the made-up fleet are asked to do, and what they find and answer."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Deed(NamedTuple):
    """One use of a tool, whatever the agent calls that tool."""

    verb: str  #: read | grep | edit | run
    on: str  #: a path, a pattern or a command
    gives: str = ""
    old: str = ""  #: of an edit
    new: str = ""
    fails: str = ""  #: the error with which it may fail at first


class Turn(NamedTuple):
    """What is asked, what is done about it, and what is answered."""

    ask: str
    plan: str
    deeds: tuple[Deed, ...]
    done: str


class Job(NamedTuple):
    """Something to be done in a project."""

    project: str
    title: str
    tags: tuple[str, ...]
    turns: tuple[Turn, ...]
    goal: str | None = None


def read(path: str, gives: str, fails: str = "") -> Deed:
    return Deed("read", path, gives, fails=fails)


def grep(pattern: str, gives: str) -> Deed:
    return Deed("grep", pattern, gives)


def edit(path: str, old: str, new: str, fails: str = "") -> Deed:
    return Deed("edit", path, f"{path} was changed", old, new, fails)


def run(command: str, gives: str, fails: str = "") -> Deed:
    return Deed("run", command, gives, fails=fails)


_PASSED: Final = "....................................                                     [100%]\n36 passed in 4.12s"
_RED: Final = (
    "FAILED tests/test_cart.py::test_rounding - AssertionError: assert Decimal('19.989') == Decimal('19.99')\n"
    "1 failed, 35 passed in 4.31s"
)

JOBS: Final = (
    Job(
        "/work/shop-api", "Cart total is a cent off with two discounts", ("bug", "checkout"),
        (
            Turn(
                "With two discount codes the cart total is sometimes a cent off. Order 48213 is one: 19.99 expected, 20.00"
                " charged. Can you find out why, and fix it with a test?",
                "I will look at how the total is put together first, then write a test that fails the way order 48213 did.",
                (
                    grep("def total", "shop/cart.py:41:    def total(self) -> Decimal:\nshop/quote.py:17:def total_of(lines):"),
                    read(
                        "shop/cart.py",
                        "    def total(self) -> Decimal:\n        amount = sum(line.amount for line in self.lines)\n"
                        "        for code in self.codes:\n            amount = round(amount * (1 - code.share), 2)\n"
                        "        return amount",
                    ),
                    edit(
                        "tests/test_cart.py", "", "def test_rounding():\n    cart = cart_of('24.69', codes=['10', '10'])\n"
                        "    assert cart.total() == Decimal('19.99')",
                    ),
                    run("pytest -q tests/test_cart.py", _RED, "exit status 1\n" + _RED),
                    edit(
                        "shop/cart.py", "amount = round(amount * (1 - code.share), 2)\n        return amount",
                        "amount *= 1 - code.share\n        return amount.quantize(CENT, ROUND_HALF_EVEN)",
                    ),
                    run("pytest -q", _PASSED),
                ),
                "The total was rounded after *each* discount, so two codes could lose a cent.\n\n- `Cart.total` now rounds"
                " once, at the end, half to even.\n- `test_rounding` is order 48213; it failed before and passes now.\n\nAll"
                " 36 tests pass. `quote.total_of` has its own rounding; shall I use the same function there?",
            ),
            Turn(
                "Yes please, one function for both.",
                "Then the rounding goes into a module of its own that both import.",
                (
                    read("shop/quote.py", "def total_of(lines):\n    return round(sum(line.amount for line in lines), 2)"),
                    edit("shop/money.py", "", "CENT = Decimal('0.01')\n\ndef cents(amount: Decimal) -> Decimal: ..."),
                    edit("shop/quote.py", "return round(sum(", "return cents(sum("),
                    run("pytest -q && ruff check shop", _PASSED + "\nAll checks passed!"),
                ),
                "Done: `shop/money.py` holds the one rounding, and `Cart.total` and `total_of` use it.",
            ),
        ),
    ),
    Job(
        "/work/shop-api", "Slow search for orders by e-mail", ("performance",),
        (
            Turn(
                "The admin's order search by e-mail takes 4 s in production. Please make it fast.",
                "I will reproduce the query plan with a copy of the table before I touch anything.",
                (
                    grep("email", "shop/orders.py:88:    return Order.where(func.lower(Order.email) == email.lower())"),
                    run(
                        "psql -c \"explain analyze select * from orders where lower(email) = 'x@example.org'\"",
                        "Seq Scan on orders  (cost=0.00..91234.00 rows=4210) (actual time=3912.4..3912.4 rows=3)\n"
                        "Execution Time: 3912.881 ms",
                        "psql: error: connection to server on socket failed: is the server running locally?",
                    ),
                    edit("migrations/0042_order_email.sql", "", "create index concurrently orders_by_email on orders (lower(email));"),
                    run("make migrate && make explain", "Index Scan using orders_by_email (actual time=0.04..0.05 rows=3)\nExecution Time: 0.071 ms"),
                ),
                "It was a sequential scan: the index is on `email`, the query asks for `lower(email)`. Migration 0042 adds an"
                " index on the expression, built concurrently. On the copy: **3.9 s → 0.07 ms**.",
            ),
        ),
    ),
    Job(
        "/work/checkout-web", "Dark mode for the checkout", ("feature", "design"),
        (
            Turn(
                "Add a dark mode to the checkout. It should follow the system and be switchable in the footer.",
                "I will move the colours into custom properties first, so that the second theme is one block.",
                (
                    grep("#[0-9a-f]{3,6}", "src/app.css:12: color: #222;\nsrc/app.css:40: background: #fff;\n… 61 more"),
                    edit("src/theme.css", "", ":root { --ink: #222; --paper: #fff }\n[data-theme=dark] { --ink: #eee; --paper: #16181d }"),
                    edit("src/app.css", "color: #222;", "color: var(--ink);"),
                    run("npm test", "Test Suites: 14 passed, 14 total\nTests:       92 passed, 92 total\nTime:        6.2 s", "npm ERR! Missing script: \"test\""),
                    run("npm run contrast", "all 38 pairs reach 4.5:1"),
                ),
                "The checkout follows the system now, and the footer has a switch that is remembered. 61 colours became 14"
                " custom properties; every pair has a contrast of at least 4.5:1.",
            ),
            Turn(
                "The card logos are invisible on dark. Can you fix that too?",
                "They are black SVGs. I will let them take the colour of the text.",
                (
                    read("src/logos.svg", "<symbol id=\"card\"><path fill=\"#000\" d=\"M2 6h20v12H2z\"/></symbol>"),
                    edit("src/logos.svg", "fill=\"#000\"", "fill=\"currentColor\""),
                    run("npm run screenshots", "8 of 8 screens match"),
                ),
                "The logos use `currentColor`, so they are visible in both themes.",
            ),
        ),
    ),
    Job(
        "/work/ledger-jobs", "Nightly export writes the same file twice", ("bug", "data"),
        (
            Turn(
                "Since Tuesday the nightly export writes two files per customer, one of them empty. Find out why.",
                "Something changed on Tuesday; I will look at what was merged and at the log of that night.",
                (
                    run("git log --since='last monday' --oneline -- export/", "9f2c1ab Run exports in a pool of four\n77d0e3c Bump the CSV writer"),
                    read("export/run.py", "def run(customers):\n    with Pool(4) as pool:\n        pool.map(write, customers, chunksize=1)\n    pool.map(write, customers)"),
                    read("logs/export-tuesday.txt", "02:00:11 write c-1004 -> c-1004.csv (8123 rows)\n02:04:40 write c-1004 -> c-1004-1.csv (0 rows)", "FileNotFoundError: logs/export-tuesday.txt"),
                    edit("export/run.py", "    pool.map(write, customers)\n", ""),
                    run("pytest -q tests/test_export.py", "12 passed in 1.80s"),
                ),
                "`9f2c1ab` moved the work into a pool and left the old call behind it, so each customer was written twice; the"
                " second time the cursor was exhausted, hence the empty file. I removed it and added a test that counts files.",
            ),
        ),
    ),
    Job(
        "/work/infra", "Rotate the certificates of the staging cluster", ("ops",),
        (
            Turn(
                "The staging certificates run out on Friday. Rotate them, one node after the other.",
                "I will check what runs out when, rotate one node, see that it is healthy, and go on only then.",
                (
                    run("./cert status --env staging", "node-1  4 days\nnode-2  4 days\nnode-3  4 days"),
                    run("./cert rotate --env staging --node node-1", "node-1: new certificate until next year; healthy", "error: lock held by pipeline 5521 (started 3 min ago)"),
                    run("./cert rotate --env staging --node node-2", "node-2: new certificate until next year; healthy"),
                    run("./cert rotate --env staging --node node-3", "node-3: new certificate until next year; healthy"),
                    run("./cert status --env staging", "node-1  364 days\nnode-2  364 days\nnode-3  364 days"),
                ),
                "All three nodes have new certificates for 364 days and are healthy. Nothing was restarted twice.",
            ),
        ),
    ),
    Job(
        "/work/mobile-app", "Crash when the camera permission is denied", ("bug", "mobile"),
        (
            Turn(
                "The app crashes on Android 14 when the camera permission is denied. Stack trace is in crash.txt.",
                "I will read the trace, then the code that asks for the permission.",
                (
                    read("crash.txt", "java.lang.IllegalStateException: camera is null\n  at app.scan.ScanView.start(ScanView.kt:71)"),
                    read("app/scan/ScanView.kt", "fun start() {\n  val camera = permission.camera ?: error(\"camera is null\")\n  camera.open()"),
                    edit("app/scan/ScanView.kt", "?: error(\"camera is null\")", "?: return explain(R.string.camera_needed)"),
                    run("./gradlew test", "BUILD SUCCESSFUL in 48s\n61 tests completed", "Could not resolve all files for configuration ':app:debug': read timed out"),
                ),
                "`ScanView.start` took a denied permission for an impossible state. It now explains why the camera is needed"
                " and offers the settings. A test denies the permission.",
            ),
        ),
    ),
    Job(
        "/work/docs-site", "Write the guide to webhooks", ("docs",),
        (
            Turn(
                "Write a how-to for receiving our webhooks: signature, retries, ordering. Short, with one example in Python.",
                "I will take the facts from the code that sends them, not from the old page.",
                (
                    grep("X-Signature", "sender/deliver.py:33: headers['X-Signature'] = hmac_of(body, secret)"),
                    read("sender/deliver.py", "RETRIES = (10, 60, 600, 3600)  # seconds\nheaders['X-Signature'] = hmac_of(body, secret)"),
                    edit("guides/webhooks.md", "", "# Receive webhooks\n\nEvery delivery is signed. Compare the signature before you read the body.\n"),
                    run("make links", "214 links, 0 broken"),
                ),
                "`guides/webhooks.md` is there: four sections, one example that I ran against the sender's test mode. Two things"
                " in the old page were wrong: retries end after an hour, and order is not guaranteed.",
            ),
            Turn(
                "Great. Can you add a table of the events?",
                "The events are an enum in the sender, so the table can be made from it.",
                (
                    read("sender/events.py", "class Event(StrEnum):\n    ORDER_PAID = 'order.paid'\n    ORDER_REFUNDED = 'order.refunded'\n    …"),
                    edit("guides/webhooks.md", "", "| Event | Sent when |\n|---|---|\n| `order.paid` | the money has arrived |\n| `order.refunded` | it went back |"),
                ),
                "Added. There are eleven events; two of them were documented nowhere until now.",
            ),
        ),
    ),
    Job(
        "/work/shop-api", "Upgrade to the new payment client", ("chore", "payments"),
        (
            Turn(
                "Upgrade the payment client from 3.x to 4.x. Read its migration notes first, there are breaking changes.",
                "I will list our uses of the old interface and go through the notes one by one.",
                (
                    read("vendor/payments/MIGRATION.md", "4.0: `charge()` became `capture()`; amounts are integers of the smallest unit."),
                    grep("payments\\.", "shop/pay.py:9\nshop/pay.py:31\nshop/refund.py:14\nshop/jobs/settle.py:50"),
                    edit("shop/pay.py", "client.charge(amount=total)", "client.capture(amount=cents(total))"),
                    edit("shop/refund.py", "client.refund(amount)", "client.refund(cents(amount))"),
                    run("pytest -q", _PASSED, "ImportError: cannot import name 'Charge' from 'payments'"),
                    run("mypy shop", "Success: no issues found in 48 source files", "shop/jobs/settle.py:50: error: Argument 1 to \"settle\" has incompatible type \"Decimal\"; expected \"int\""),
                ),
                "On 4.2 now. Every amount passes `cents()`; there is no Decimal left at the border. The settlement job would have"
                " paid out a hundredth: mypy found it, and a test holds it now.",
            ),
        ),
        "Be on a payment client that still gets fixes, without changing what customers are charged.",
    ),
    Job(
        "/work/checkout-web", "Flaky test: payment form submits twice", ("flaky", "tests"),
        (
            Turn(
                "`payment-form.test.ts` fails about one time in twenty. Make it stable, and tell me if the form has a real bug.",
                "I will run it a hundred times to see how it fails before I read it.",
                (
                    run("for i in $(seq 100); do npx vitest run payment-form; done | tally", "94 passed, 6 failed: expected 1 call, received 2", "sh: tally: command not found"),
                    read("src/payment-form.ts", "button.onclick = submit\nform.onsubmit = submit"),
                    edit("src/payment-form.ts", "button.onclick = submit\n", ""),
                    run("for i in $(seq 100); do npx vitest run payment-form; done | tally", "100 passed"),
                ),
                "It was a real bug: a click fired both `onclick` and `onsubmit`, and the guard between them lost the race now and"
                " then. One handler is left. 100 of 100 runs pass.",
            ),
        ),
    ),
    Job(
        "/work/ledger-jobs", "Explain the settlement code to a new colleague", ("question",),
        (
            Turn(
                "I am new here. How does money get from an order to the settlement file?",
                "",
                (
                    grep("settle", "jobs/settle.py:12: def settle(day)\njobs/collect.py:8: def collect(order)"),
                    read("jobs/settle.py", "def settle(day):\n    rows = collect_all(day)\n    check_balance(rows)\n    write(rows)"),
                ),
                "Three steps:\n\n1. `collect` turns each paid order into two rows that sum to zero.\n2. `check_balance` refuses the"
                " whole day if they do not.\n3. `write` makes the file and its checksum.\n\nStart reading at `jobs/settle.py:12`.",
            ),
            Turn(
                "And what happens when a day does not balance?",
                "",
                (read("jobs/alarm.py", "def unbalanced(day, rows):\n    page('settlement', day, difference(rows))"),),
                "Nothing is written, and whoever is on call is paged with the difference. The day stays open; running it again is"
                " safe because rows are keyed by order.",
            ),
        ),
    ),
    Job(
        "/work/infra", "Move the queue workers to the new machines", ("ops", "migration"),
        (
            Turn(
                "Write the Terraform for eight queue workers on the new machine type, and show me the plan. Do not apply it.",
                "I will copy the module of the old workers and change what is different; plan only.",
                (
                    read("modules/worker/main.tf", "resource \"machine\" \"worker\" {\n  count = 12\n  type  = \"m2-large\"\n}"),
                    edit("modules/worker/main.tf", "count = 12\n  type  = \"m2-large\"", "count = 8\n  type  = \"m4-large\""),
                    run("terraform plan -no-color", "Plan: 8 to add, 0 to change, 12 to destroy.", "Error: Error acquiring the state lock"),
                ),
                "The plan: 8 to add, 12 to destroy. **Careful:** it destroys before it adds, so the queue would stand still for"
                " some minutes. With `create_before_destroy` it would not; shall I add that?",
            ),
            Turn(
                "Yes, add it.",
                "",
                (
                    edit("modules/worker/main.tf", "}", "  lifecycle { create_before_destroy = true }\n}"),
                    run("terraform plan -no-color", "Plan: 8 to add, 0 to change, 12 to destroy (8 created first)."),
                ),
                "Done. The new plan creates the eight first. I applied nothing.",
            ),
        ),
    ),
    Job(
        "/work/mobile-app", "Translate the settings screen", ("i18n",),
        (
            Turn(
                "Add German and Japanese for the settings screen. Keep it short, the labels are narrow.",
                "I will look at which strings have no translation, and how wide the labels are.",
                (
                    run("./i18n missing settings", "de: 14 missing\nja: 14 missing"),
                    edit("res/values-de/settings.xml", "", "<string name=\"quiet\">Nicht stören</string>"),
                    edit("res/values-ja/settings.xml", "", "<string name=\"quiet\">おやすみモード</string>"),
                    run("./i18n check", "de: 0 missing, 1 too wide: notifications_when_charging\nja: 0 missing"),
                    edit("res/values-de/settings.xml", "Benachrichtigungen beim Laden", "Hinweise beim Laden"),
                ),
                "28 strings, none too wide. A native speaker should look at \"quiet hours\" in Japanese: I took the word that phones"
                " use for it.",
            ),
        ),
    ),
)  # fmt: skip

#: What a sub-agent is sent to do, and what it comes back with.
ERRANDS: Final = (
    ("explore", "Find every place that rounds money", "Seven places in four files; two round half up: shop/tax.py:20, shop/tax.py:61."),
    ("tests", "Write the missing tests for the edge cases", "Nine tests; one of them fails, and rightly so: an empty cart has no currency."),
    ("review", "Review the change as somebody who has not seen it", "Two remarks: a name that says too much, and an error that is swallowed in pay.py:44."),
    ("research", "Read the migration notes and list what concerns us", "Three of twelve breaking changes concern us; the settlement job is the dangerous one."),
    ("verify", "Run everything on a clean checkout", "Clean checkout, all green: 36 tests, lint, types. Took 71 s."),
)  # fmt: skip

#: What the agents of the night do.
CHORES: Final = (
    Job(
        "/work/shop-api", "Update dependencies", ("nightly", "deps"),
        (
            Turn(
                "Update every dependency to its newest minor version, run the tests, and leave a branch with a summary.", "",
                (
                    run("uv lock --upgrade", "Updated 14 packages; 3 held back"),
                    run("pytest -q", _PASSED, "ERROR tests/test_pay.py - DeprecationWarning: 'charge' is gone in 4.0"),
                    run("git push origin nightly/deps", "branch 'nightly/deps' -> 'nightly/deps'", "remote: rate limit exceeded, try again in 60 s"),
                ),
                "14 packages updated, 3 held back (payments 4.x, and two that need it). All tests pass. Branch: nightly/deps.",
            ),
        ),
        "Nobody should have to update dependencies by hand.",
    ),
    Job(
        "/work/ledger-jobs", "Look through yesterday's errors", ("nightly", "triage"),
        (
            Turn(
                "Group yesterday's errors by cause, open an issue for what is new, and say what can be ignored.", "",
                (
                    run("./errors --since yesterday --group", "412 errors in 9 groups, 2 of them new"),
                    read("errors/group-8.txt", "TimeoutError: settlement gateway, 38 times between 14:02 and 14:09"),
                    run("./issue open --title 'Settlement gateway timed out for 7 minutes'", "opened 1184"),
                ),
                "9 groups, 2 new. Opened 1184 (gateway, 7 minutes); the other new one is the crawler that ignores robots.txt.",
            ),
        ),
        "Know by nine in the morning what broke yesterday.",
    ),
    Job(
        "/work/docs-site", "Check that the examples still run", ("nightly", "docs"),
        (
            Turn(
                "Run every example of the guides against the staging API and mend those that broke.", "",
                (
                    run("make examples", "57 of 58 pass; guides/refunds.md:31 fails", "make: *** [examples] Error 2"),
                    edit("guides/refunds.md", "client.refund(12.5)", "client.refund(1250)"),
                    run("make examples", "58 of 58 pass"),
                ),
                "58 of 58 pass. One was broken: the refund example still gave an amount in euros.",
            ),
        ),
    ),
)  # fmt: skip
