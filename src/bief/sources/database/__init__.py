"""Databases as sources: one module for each kind, and what they have in common.

options      what the project file says
relations    what a database says of a table: columns, key, size
session      the small interface that each kind of database implements
hiding       columns that are dropped, hashed or masked by the database itself
statements   the SELECT of a read
positions    how far a read has come
reading      the round: watermark, snapshot, batches with their positions
decoding     what the driver gives → rows of the declared types
source       joins them; the kinds inherit from it
"""
