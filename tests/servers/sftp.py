"""An SFTP server: `python sftp.py PORT FOLDER`, with host_key, authorized_keys and root/ there."""

import asyncio
import sys
from pathlib import Path

import asyncssh


async def main(port: int, folder: Path) -> None:
    """Serve `folder/root` as `/` until the process is ended."""

    def sftp(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(folder / "root").encode())

    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        sftp_factory=sftp,
        allow_scp=False,
    )
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
