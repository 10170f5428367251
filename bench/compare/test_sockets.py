"""What the comparison of WebSockets calculates and writes."""

import unittest

import sockets


def row(kind, connections, cpu):
    return {"kind": kind, "connections": connections, "cpu": cpu}


class Section(unittest.TestCase):
    def test_ratios_are_taken_round_by_round_and_held_against_the_goals(self):
        rows = []
        for count, websocket in [(1, [10.0, 22.0, 12.0]), (100, [13.0, 26.0, 13.0]), (1_000, [5.0, 10.0, 5.0])]:
            rows += [row("websocket", count, websocket), row("lines", count, [10.0, 20.0, 10.0])]
        text = sockets.section({"rows": rows, "idle": 19.94})
        self.assertIn("| 1 | 12.0 | 10.0 | 1.10 (1.00–1.20) | 1.2: reached |", text)
        self.assertIn("| 100 | 13.0 | 10.0 | 1.30 (1.30–1.30) | 1.2: **missed** |", text)
        self.assertIn("| 1,000 | 5.0 | 10.0 | 0.50 (0.50–0.50) | 1.2: reached |", text)
        self.assertIn("Each of 5,000 silent sockets takes 19.9 KiB (goal 20: reached).", text)
        self.assertIn("takes 20.0 KiB (goal 20: **missed**).", sockets.section({"rows": rows, "idle": 20.0}))

    def test_each_number_of_connections_has_messages_for_all(self):
        for count in sockets.CONNECTIONS:
            self.assertGreaterEqual(sockets.MESSAGES[count], count)


if __name__ == "__main__":
    unittest.main()
