"""libnephron through ctypes: what of nephron.h a federation needs. NEPHRON_LIBRARY: path of libnephron.so.

Vectors are numpy arrays of float32, the numbers of an update of float64. A call that fails raises Failure with the library's reason.
A handle keeps those that it was made of alive; memory is returned when the process ends, which is after one task or one run.
"""

import ctypes
import os

import numpy as np

API = 1
NUMBERS = 8
FEDERATION = ("strategy", "minimum", "local_epochs")  # options of the rounds, not of training
POINTER, TEXT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
FLOATS = np.ctypeslib.ndpointer(np.float32, ndim=1, flags="C_CONTIGUOUS")
DOUBLES = np.ctypeslib.ndpointer(np.float64, ndim=1, flags="C_CONTIGUOUS")

# name: result, arguments; the order and types of fl/nephron.h
FUNCTIONS = {
    "open": (POINTER, ctypes.c_int, ctypes.c_int),
    "error": (TEXT, POINTER),
    "model_load": (POINTER, POINTER, TEXT, TEXT),
    "model_parse": (POINTER, POINTER, TEXT, POINTER, SIZE),
    "model_describe": (TEXT, POINTER),
    "model_save": (ctypes.c_int, POINTER, TEXT),
    "weights_count": (SIZE, POINTER),
    "weights_hash": (ctypes.c_uint64, POINTER),
    "data_open": (POINTER, POINTER, TEXT, TEXT, TEXT),
    "trainer_open": (POINTER, POINTER, POINTER, TEXT, ctypes.c_uint32),
    "site_key": (ctypes.c_uint32, TEXT, ctypes.c_int),
    "client_update": (ctypes.c_int, POINTER, POINTER, TEXT, TEXT, FLOATS, ctypes.c_int, FLOATS, DOUBLES),
    "server_open": (POINTER, POINTER, TEXT, ctypes.c_int),
    "task_count": (SIZE, POINTER),
    "server_begin": (ctypes.c_int, POINTER, FLOATS, SIZE, ctypes.POINTER(ctypes.c_int)),
    "server_add": (ctypes.c_int, POINTER, TEXT, FLOATS, SIZE, DOUBLES),
    "server_end": (ctypes.c_int, POINTER),
    "server_describe": (TEXT, POINTER),
    "server_tables": (ctypes.c_int, POINTER, TEXT),
}


class Failure(RuntimeError):
    """What the library refused, in its words."""


def text(value):
    return None if value is None else value.encode()


class Library:
    """One handle of the library; threads 0: all cores."""

    def __init__(self, threads=0):
        self.c = ctypes.CDLL(os.environ.get("NEPHRON_LIBRARY", "libnephron.so"))
        for name, (result, *arguments) in FUNCTIONS.items():
            function = getattr(self.c, "nephron_" + name)
            function.restype, function.argtypes = result, arguments
        self.handle = self.c.nephron_open(API, threads)
        if not self.handle:
            raise Failure(self.c.nephron_error(None).decode())

    def fail(self):
        raise Failure(self.c.nephron_error(self.handle).decode())

    def made(self, handle):
        return handle or self.fail()

    def done(self, status):
        if status:
            self.fail()


class Model:
    """From a run folder's fold, or from a description alone: then with the weights that training begins with."""

    def __init__(self, library, run=None, fold=None, description=None):
        c = library.c
        self.library = library
        self.handle = library.made(
            c.nephron_model_load(library.handle, text(run), text(fold))
            if run
            else c.nephron_model_parse(library.handle, text(description), None, 0)
        )
        self.count = c.nephron_weights_count(self.handle)

    def describe(self):
        described = self.library.c.nephron_model_describe(self.handle)
        return described.decode() if described else self.library.fail()

    def hash(self):
        return "%016x" % self.library.c.nephron_weights_hash(self.handle)

    def save(self, path):
        self.library.done(self.library.c.nephron_model_save(self.handle, text(path)))


class Server:
    """The rounds of a federation; at a site, what it has to know of them to train."""

    def __init__(self, model, options, sites):
        self.model, self.library, self.c = model, model.library, model.library.c
        self.handle = self.library.made(self.c.nephron_server_open(model.handle, text(options), sites))
        self.words = self.c.nephron_task_count(self.handle)

    def begin(self):
        """Opens the next round; its task and number."""
        task, number = np.empty(self.words, np.float32), ctypes.c_int()
        self.library.done(self.c.nephron_server_begin(self.handle, task, self.words, ctypes.byref(number)))
        return task, number.value

    def add(self, site, weights, numbers):
        """Returns the examples and the mean loss, as they count."""
        try:
            weights, numbers = np.ascontiguousarray(weights, np.float32), np.array(numbers, np.float64)
        except (TypeError, ValueError) as why:
            raise Failure("site %s: weights or numbers are none: %s" % (site, why)) from None
        if weights.ndim != 1 or numbers.ndim != 1 or numbers.size != NUMBERS:
            what = site, numbers.size, weights.ndim, NUMBERS
            raise Failure("site %s: %d numbers and weights of %d axes, an update has %d and 1" % what)
        self.library.done(self.c.nephron_server_add(self.handle, text(site), weights, weights.size, numbers))
        return numbers[0], numbers[5]

    def end(self):
        self.library.done(self.c.nephron_server_end(self.handle))

    def describe(self):
        described = self.c.nephron_server_describe(self.handle)
        return described.decode() if described else self.library.fail()

    def tables(self, folder):
        """rounds.csv and the others, as the program writes them."""
        self.library.done(self.c.nephron_server_tables(self.handle, text(folder)))


class Site:
    """A site's own cases, ready to train. pooled: dataset holds several sites, its sites.csv tells which case is whose."""

    def __init__(self, model, name, dataset, pooled, fold, training, sites):
        self.library, self.c, self.model, self.name = model.library, model.library.c, model, name
        self.data = self.library.made(
            self.c.nephron_data_open(model.handle, text(dataset), text(fold), text(name) if pooled else None)
        )
        key = self.c.nephron_site_key(text(name), sites)
        self.trainer = self.library.made(self.c.nephron_trainer_open(model.handle, self.data, text(training), key))

    def update(self, server, state, task, number):
        """Trains from the task; weights and numbers for the server. state: file of what stays here between rounds."""
        if task.size != server.words:
            raise Failure("a task of %d values, it has %d" % (task.size, server.words))
        weights, numbers = np.empty(self.model.count, np.float32), np.empty(NUMBERS, np.float64)
        task = np.ascontiguousarray(task, np.float32)
        self.library.done(
            self.c.nephron_client_update(
                self.trainer, server.handle, text(self.name), text(state), task, number, weights, numbers
            )
        )
        return weights, numbers.tolist()
