"""Let DVC's processes wait half a second at most between attempts, by `PYTHONPATH`.

Azure's library waits 15, 18 and 24 seconds, and nothing that DVC passes on to it changes that. The
number of attempts, and all that is tried in them, stays as it is.
"""

import asyncio

sleep = asyncio.sleep


async def sleep_less(delay: float, result: object = None) -> object:
    """Sleep as asked, but not longer than half a second."""
    return await sleep(min(delay, 0.5), result)


asyncio.sleep = sleep_less  # type: ignore[assignment]
