"""Where files lie: a folder of this machine, a server that speaks HTTP, a store that speaks S3; one small interface."""
