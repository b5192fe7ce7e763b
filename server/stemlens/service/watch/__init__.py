"""The watch folder: sessions that are dropped into a folder are analysed, without being asked.

`candidates` says which sessions lie in a tree, `readiness` which of them are complete, `archive`
unpacks zips, `content` gives each session an identity by what is in it, `results` writes beside the
audio, `folder` is told of changes by the system, and `desk` ties it all to the jobs of the server.
"""
