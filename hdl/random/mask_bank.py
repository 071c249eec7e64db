"""Masks: the random bits that all passes of an image draw, collected for each choice that needs them."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.random.mask_store import drawn_signature
from hdl.stream import counter, moves


__all__ = ["MaskBank"]


class MaskBank(wiring.Component):
    """For each image, draw the random bits of all passes, and send each choice the masks of its draw.

    A pass has several draws, each of one or more bits. Bits are drawn in pass-major order: pass 0 of draws
    0, 1, ..., then pass 1, and so on, as passes run one after another would draw them (Scale-Dropout, eq.
    20); the bits of a draw from the most significant one on. Each bit of a draw has a mask, whose bit ``t``
    is what pass ``t`` has drawn; bits of passes that the image does not have are zero. While masks wait to
    be taken, the bits of the next images are drawn, up to ``AHEAD`` images.

    A draw of many bits that is asked for pass by pass goes to a :class:`hdl.random.mask_store.MaskStore`
    instead, a word for each pass.

    An image takes :meth:`interval` cycles while no mask waits.

    Parameters
    ----------
    draws : sequence of int
        Bits of each draw, at least 1.
    outputs : sequence of int
        For each choice that takes masks, the number of its draw.
    stores : sequence of int
        For each store of words, the number of its draw.
    passes : int
        T_max.
    protect : bool
        Check the parity of masks that wait.

    Members
    -------
    images : In(stream.Signature(range(passes + 1)))
        Number of passes of each image, from 1 to T_max.
    draw : Out(stream.Signature(range(bits of a pass)))
        Which bit of a pass to draw: requests to the random source.
    bits : In(stream.Signature(1))
        Bits from the random source, in the order of the requests.
    taken : Out(bits of a pass)
        One-hot: which bit of a pass, numbered in the order of the requests, is taken in this cycle.
    drawn_last : Out(1)
        The last bit of an image is taken in this cycle.
    masks : tuple of stream.Signature(passes * bits), as Out
        Per output and image the masks of the bits of its draw, that of the least significant bit lowest.
        The ports are named ``mask_0`` and so on.
    drawn : tuple of drawn_signature(bits), as Out
        Per store the words of the bits of its draw. The ports are named ``drawn_0`` and so on.
    error : Out(1)
        1 for a cycle after a mask has lost its parity. Only with ``protect``.
    """

    #: Masks that can wait in front of each choice.
    AHEAD = 4

    #: Cycles from the last bit of an image to the first request of the next.
    overhead = 3

    def __init__(self, draws, outputs, passes, *, stores=(), protect=False):
        self.draws   = tuple(map(operator.index, draws))
        self.outputs = tuple(map(operator.index, outputs))
        self.stores  = tuple(map(operator.index, stores))
        self.passes  = operator.index(passes)
        self.protect = protect
        super().__init__({
            "images":     In(stream.Signature(range(passes + 1))),
            "draw":       Out(stream.Signature(range(sum(self.draws)))),
            "bits":       In(stream.Signature(1)),
            "taken":      Out(sum(self.draws)),
            "drawn_last": Out(1),
            **{f"mask_{output}": Out(stream.Signature(passes * self.draws[draw]))
               for output, draw in enumerate(self.outputs)},
            **{f"drawn_{store}": Out(drawn_signature(self.draws[draw]))
               for store, draw in enumerate(self.stores)},
            **error_port(protect),
        })

    @property
    def masks(self):
        return tuple(getattr(self, f"mask_{output}") for output in range(len(self.outputs)))

    @property
    def drawn(self):
        return tuple(getattr(self, f"drawn_{store}") for store in range(len(self.stores)))

    def interval(self, passes, rng, points=None):
        """Cycles from image to image of ``passes`` passes with the random source ``rng``, whose
        sources divide the bits of a pass evenly, or with ``points``
        (:class:`hdl.random.shifted_points.ShiftedPoints`) in front of it."""
        return max(self.requests(passes, rng, points), 1 + self.latency(passes, rng, points))

    def requests(self, passes, rng, points=None):
        """Cycles from the first request of an image to the first that can follow its last."""
        return self._timing(passes, rng, points)[1]

    def latency(self, passes, rng, points=None):
        """Cycles from the first request of an image until its masks can be taken."""
        return self._timing(passes, rng, points)[0] + self.overhead - 1

    def _timing(self, passes, rng, points):
        bits = passes * sum(self.draws)
        return rng.timing(bits) if points is None else points.timing(bits, rng)

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        # Masks of the bits of each draw that some output takes, in the order in which they are drawn, and
        # where the bits of each draw begin.
        drawn  = {draw: [Signal(self.passes, name=f"mask_{draw}_{bit}")
                         for bit in reversed(range(self.draws[draw]))] for draw in set(self.outputs)}
        firsts = [sum(self.draws[:draw]) for draw in range(len(self.draws))]
        masks  = {firsts[draw] + place: mask for draw, of_draw in drawn.items()
                  for place, mask in enumerate(of_draw)}
        queues = []
        for output, (sent, draw) in enumerate(zip(self.masks, self.outputs, strict=True)):
            m.submodules[f"queue_{output}"] = queue = parity.fifo(
                width=len(sent.payload), depth=self.AHEAD)
            queues.append(queue)
            m.d.comb += [
                sent.valid.eq(queue.r_rdy),
                sent.payload.eq(queue.r_data),
                queue.r_en.eq(sent.ready),
                queue.w_data.eq(Cat(reversed(drawn[draw]))),
            ]

        # Requests run ahead of the bits that answer them. Either side counts the bits of a pass up and the
        # passes of the image down.
        request_bit, last_request = counter(m, sum(self.draws), moves(self.draw), name="request_bit")
        response_bit, last_response = counter(m, sum(self.draws), moves(self.bits), name="response_bit")
        passes_to_request = Signal(range(self.passes + 1))
        passes_to_receive = Signal(range(self.passes + 1))
        response_pass     = Signal(self.passes) # one-hot
        # A register, as two images never complete their masks in consecutive cycles.
        space = Signal()
        m.d.sync += space.eq(Cat(Const(1), *(queue.w_rdy for queue in queues)).all())

        m.d.comb += [
            self.draw.valid.eq(passes_to_request != 0),
            self.draw.payload.eq(request_bit),
        ]
        with m.If(moves(self.draw) & last_request):
            m.d.sync += passes_to_request.eq(passes_to_request - 1)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.images.ready.eq(Cat(Const(1), *(store.room for store in self.drawn)).all())
                with m.If(moves(self.images)):
                    m.d.sync += [
                        passes_to_request.eq(self.images.payload),
                        passes_to_receive.eq(self.images.payload),
                        response_pass.eq(1),
                    ]
                    m.d.sync += [mask.eq(0) for mask in masks.values()]
                    m.next = "Draw"
            with m.State("Draw"):
                m.d.comb += self.bits.ready.eq(1)
                with m.If(self.bits.valid):
                    m.d.comb += self.taken.eq(1 << response_bit)
                    for index, mask in masks.items():
                        with m.If(response_bit == index):
                            m.d.sync += mask.eq(
                                mask | response_pass & self.bits.payload.replicate(self.passes))
                    with m.If(last_response):
                        m.d.sync += [
                            response_pass.eq(response_pass << 1),
                            passes_to_receive.eq(passes_to_receive - 1),
                        ]
                        with m.If(passes_to_receive == 1):
                            m.d.comb += self.drawn_last.eq(1)
                            m.next = "Hand out"
            with m.State("Hand out"):
                with m.If(space):
                    m.d.comb += [queue.w_en.eq(1) for queue in queues]
                    m.d.comb += [store.handed.eq(1) for store in self.drawn]
                    m.next = "Idle"
        # The bits of a draw move into its word from above.
        for store, draw in zip(self.drawn, self.stores, strict=True):
            word = store.words.payload
            of_draw = self.taken[firsts[draw]:firsts[draw] + self.draws[draw]]
            with m.If(of_draw.any()):
                m.d.sync += word.eq(Cat(word, self.bits.payload)[1:])
            m.d.sync += store.words.valid.eq(of_draw[-1])
        parity.report()

        return m
