"""What customers of the made-up fleet ask its support bot."""

from __future__ import annotations

from typing import Final, NamedTuple


class Talk(NamedTuple):
    """A question of a customer, what the bot looks up, and what it answers."""

    title: str
    says: tuple[tuple[str, str], ...]  #: questions and answers
    looks_up: tuple[tuple[str, dict[str, str], str], ...]  #: tools with what they are given and what they give
    nodes: tuple[str, ...]  #: of the graph of knowledge that it used
    praise: str = ""  #: what somebody who is content says
    blame: str = ""


TALKS: Final = (
    Talk(
        "Where is my parcel?",
        (
            ("Hi, my order 50117 should have been here on Monday. Where is it?", "I am sorry that it is late. Your parcel left"
             " the sorting centre this morning and is planned for tomorrow between 10 and 12. Shall I send you a message when"
             " the courier is near?"),
            ("Yes please. And can it go to my neighbour?", "Done: the courier may leave it with the neighbour at number 14, and"
             " you get a message half an hour before."),
        ),
        (
            ("find_order", {"order": "50117"}, "{\"state\": \"on its way\", \"courier\": \"north\", \"due\": \"tomorrow\"}"),
            ("set_neighbour", {"order": "50117", "house": "14"}, "{\"ok\": true}"),
        ),
        ("order", "courier", "late-delivery"), "That was quick, thanks!",
    ),
    Talk(
        "Charged twice for one order",
        (
            ("You charged me twice for order 49880!", "I see two entries of 34.50 on the same day. One of them is a reservation"
             " that was never taken; your bank removes it within three days. Only one was charged."),
            ("My bank says both were taken.", "Then I hand this to a colleague who can see the settlement. You will have an"
             " answer today; the ticket is 7731."),
        ),
        (
            ("find_payments", {"order": "49880"}, "[{\"amount\": 34.50, \"state\": \"taken\"}, {\"amount\": 34.50, \"state\": \"reserved\"}]"),
            ("open_ticket", {"team": "payments", "order": "49880"}, "{\"ticket\": 7731}"),
        ),
        ("payment", "reservation", "settlement"), "", "I had to explain it twice.",
    ),
    Talk(
        "Change the size of a jacket",
        (
            ("I ordered the blue jacket in M, but I need L. It has not shipped yet, I think?", "Right, it has not. I changed the"
             " size to L; it leaves tomorrow as planned and costs the same."),
        ),
        (
            ("find_order", {"order": "50233"}, "{\"state\": \"packing\", \"items\": [\"jacket blue M\"]}"),
            ("change_item", {"order": "50233", "to": "jacket blue L"}, "{\"ok\": true, \"difference\": 0}"),
        ),
        ("order", "exchange"), "Perfect.",
    ),
    Talk(
        "How do I return a gift without a receipt?",
        (
            ("I got your lamp as a gift and do not like it. I have no receipt.", "That is no problem: the number under its foot"
             " tells us the order. You get a voucher, and whoever gave it to you is not told."),
            ("It says 7719-22.", "Thank you. The label for sending it back is on its way to you by e-mail."),
        ),
        (
            ("find_by_serial", {"serial": "7719-22"}, "{\"order\": \"48002\", \"gift\": true}"),
            ("make_label", {"order": "48002"}, "{\"label\": \"R-48002\"}"),
        ),
        ("return", "gift", "voucher"), "Very discreet, I like that.",
    ),
    Talk(
        "The app signs me out every day",
        (
            ("Your app signs me out every single day.", "That should happen once in ninety days. Which version do you see under"
             " Settings, About?"),
            ("5.1.0", "5.1.0 has that fault; 5.1.2 mends it and is in the store since yesterday. Please update, and sign in one"
             " last time."),
        ),
        (("known_faults", {"app": "5.1.0"}, "[{\"fault\": \"sessions are lost at midnight\", \"mended in\": \"5.1.2\"}]"),),
        ("app", "sign-in"), "", "Why did nobody tell me before?",
    ),
    Talk(
        "Is the bread knife safe for the dishwasher?",
        (
            ("Can I put the bread knife into the dishwasher?", "Better not: the blade survives it, the walnut handle does not."
             " Warm water and a drop of oil now and then keep it well."),
        ),
        (("find_product", {"name": "bread knife"}, "{\"handle\": \"walnut\", \"dishwasher\": false}"),),
        ("product", "care"), "Good to know.",
    ),
)  # fmt: skip
