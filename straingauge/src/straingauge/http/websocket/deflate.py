"""The extension permessage-deflate (RFC 7692), with control frames within a message."""

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits


class Deflate(PerMessageDeflate):
    """Compression that a ping between the fragments of a message does not end.

    `wsproto` 1.3 takes the end of a control frame for that of the message around it, and the rest
    of the message for plain data.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_control = False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Take the header of a frame; a control frame must not be compressed."""
        self._is_control = opcode.iscontrol()
        if self._is_control:
            return (
                CloseReason.PROTOCOL_ERROR
                if rsv.rsv1
                else RsvBits(rsv1=True, rsv2=False, rsv3=False)
            )
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Return the data of a frame, decompressed if its message is compressed."""
        return data if self._is_control else super().frame_inbound_payload_data(proto, data)

    def frame_inbound_complete(
        self,
        proto: FrameDecoder | FrameProtocol,
        fin: bool,  # noqa: FBT001  the signature of wsproto
    ) -> bytes | CloseReason | None:
        """End a frame; return what is left of its message."""
        return None if self._is_control else super().frame_inbound_complete(proto, fin)
