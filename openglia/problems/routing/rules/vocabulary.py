"""The names that the rules for a router know, and why each set is allowed or refused.

Read together with the module ``checking``. The sets of Vidur's names follow its classes
``Request``, ``Replica`` and ``BaseReplicaScheduler`` at the pinned commit.
"""

# Standard library modules of which a router may use what they publish.
STANDARD_MODULES = frozenset(
    {
        "__future__", "abc", "bisect", "collections", "collections.abc", "dataclasses", "functools",
        "heapq", "itertools", "math", "operator", "random", "statistics", "typing",
    }
)  # fmt: skip

# Published there all the same, but they take attribute names as strings, evaluate strings as code,
# or are not repeatable. Value: how to do without.
REFUSED_MEMBERS = {
    "dataclasses.make_dataclass": "write the class out",
    "functools.singledispatch": "it evaluates annotations; use isinstance",
    "functools.singledispatchmethod": "it evaluates annotations; use isinstance",
    "functools.update_wrapper": "it copies attributes by computed names; leave it out",
    "functools.wraps": "it copies attributes by computed names; leave it out",
    "operator.attrgetter": "it reads attributes by computed names; write a lambda",
    "operator.methodcaller": "it calls methods by computed names; write a lambda",
    "random.SystemRandom": "it cannot be repeated; use random.Random(seed)",
    "typing.ForwardRef": "it evaluates strings as code",
    "typing.evaluate_forward_ref": "it evaluates strings as code",
    "typing.get_type_hints": "it evaluates strings as code",
}

# NumPy: everything public that is neither a module nor named here.
NUMPY_MODULES = frozenset({"numpy", "numpy.random", "numpy.linalg", "numpy.fft", "numpy.typing"})
NUMPY_REFUSED = {
    "numpy": frozenset(
        {
            # files
            "DataSource", "fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap",
            "save", "savetxt", "savez", "savez_compressed", "open_memmap",
            # frames, code by name, foreign memory, the interpreter
            "asmatrix", "bmat", "from_dlpack", "get_include", "info", "mat", "matrix", "test",
            "show_config", "show_runtime", "chararray",
            # reads an object's attribute `size`
            "size",
            # modules
            "char", "core", "ctypeslib", "dtypes", "emath", "exceptions", "f2py", "lib", "ma",
            "matlib", "matrixlib", "polynomial", "rec", "strings", "testing", "version",
            "distutils", "compat", "doc", "conftest",
        }
    ),
    "numpy.random": frozenset({"bit_generator", "mtrand", "test"}),
    "numpy.linalg": frozenset({"lapack_lite", "linalg", "test"}),
    "numpy.fft": frozenset({"helper", "test"}),
    "numpy.typing": frozenset({"mypy_plugin", "test"}),
}  # fmt: skip

# The simulator's modules. Only their classes (CamelCase) and `init_logger` may be imported.
VIDUR_MODULES = frozenset(
    {
        "vidur.config", "vidur.entities", "vidur.entities.replica", "vidur.entities.request",
        "vidur.logger", "vidur.openglia.replica_policy", "vidur.scheduler",
        "vidur.scheduler.global_scheduler",
        "vidur.scheduler.global_scheduler.base_global_scheduler",
        "vidur.scheduler.replica_scheduler.base_replica_scheduler", "vidur.types",
    }
)  # fmt: skip
LOGGER_METHODS = frozenset(
    {
        "critical", "debug", "error", "exception", "info", "isEnabledFor", "log", "warning",
    }
)  # fmt: skip

# Builtins that reach files, code, modules, attributes by computed names, or the terminal.
REFUSED_BUILTINS = {
    "open": "a router has no files",
    "exec": "a router runs no code from strings",
    "eval": "a router runs no code from strings",
    "compile": "a router runs no code from strings",
    "__import__": "write an import statement",
    "__build_class__": "write a class statement",
    "__builtins__": "a router does not reach into the interpreter",
    "__loader__": "a router does not reach into the interpreter",
    "__spec__": "a router does not reach into the interpreter",
    "__file__": "a router has no files",
    "__path__": "a router has no files",
    "__class__": "write the class's name, or type(self)",
    "__dict__": "a router does not reach into the interpreter",
    "globals": "keep state in attributes of self",
    "locals": "use a dict of your own",
    "vars": "name the attribute you mean",
    "dir": "name the attribute you mean",
    "memoryview": "use a list or a NumPy array",
    "input": "nobody answers",
    "breakpoint": "nobody answers",
    "help": "nobody answers",
    "exit": "return from schedule() instead",
    "quit": "return from schedule() instead",
    "copyright": "a router has no files",
    "credits": "a router has no files",
    "license": "a router has no files",
}

# getattr and its kin, with a name written out, are checked like the attribute itself.
ATTRIBUTE_BUILTINS = frozenset({"getattr", "setattr", "hasattr", "delattr"})

# Dunder attributes and definitions that every honest class may use.
HARMLESS_DUNDERS = frozenset(
    {
        "__abs__", "__add__", "__all__", "__and__", "__author__", "__bool__", "__call__",
        "__contains__", "__delitem__", "__doc__", "__enter__", "__eq__", "__exit__", "__float__",
        "__floordiv__", "__format__", "__ge__", "__getitem__", "__gt__", "__hash__", "__iadd__",
        "__index__", "__init__", "__int__", "__isub__", "__iter__", "__le__", "__len__", "__lt__",
        "__missing__", "__mod__", "__mul__", "__name__", "__ne__", "__neg__", "__next__", "__or__",
        "__post_init__", "__pow__", "__radd__", "__repr__", "__reversed__", "__rmul__", "__round__",
        "__rsub__", "__rtruediv__", "__setitem__", "__slots__", "__str__", "__sub__", "__truediv__",
        "__version__", "__xor__",
    }
)  # fmt: skip

# Ways into frames, code objects, foreign memory and files.
INTERPRETER_ATTRIBUTES = frozenset(
    {
        "ag_await", "ag_code", "ag_frame", "cr_await", "cr_code", "cr_frame", "cr_origin",
        "f_back", "f_builtins", "f_code", "f_globals", "f_lasti", "f_locals", "f_trace",
        "gi_code", "gi_frame", "gi_yieldfrom", "tb_frame", "tb_lasti", "tb_next", "mro",
        "cffi", "ctypes", "dump", "dumps", "tofile", "format_map",
    }
)  # fmt: skip

# What tells, or is computed from, the output length of a request.
ORACLE = frozenset(
    {
        "num_decode_tokens", "_num_decode_tokens", "pd_ratio", "to_dict", "e2e_time_normalized",
        "execution_time_normalized", "model_execution_time_normalized",
        # the file that holds every length
        "trace_file",
    }
)  # fmt: skip
# Oracles on a request, but ordinary names on a router's own objects: see rules._soft_oracle.
SOFT_ORACLE = frozenset({"size", "total_tokens"})

# State of the simulator's objects. A router writes none of it.
SIMULATOR_STATE = frozenset(
    {
        # Request
        "_arrived_at", "arrived_at", "_num_prefill_tokens", "num_prefill_tokens",
        "_num_processed_tokens", "num_processed_tokens", "_scheduled_at", "_execution_time",
        "_model_execution_time", "_scheduling_delay", "_preempted_time", "_completed_at",
        "_prefill_completed_at", "_latest_stage_scheduled_at", "_latest_stage_completed_at",
        "_latest_iteration_scheduled_at", "_latest_iteration_completed_at",
        "_latest_iteration_scheduling_delay", "_scheduled", "_preempted", "_completed",
        "_is_prefill_complete", "is_prefill_complete", "_num_restarts", "num_restarts",
        "completed_at", "prefill_completed_at",
        # replica schedulers
        "_num_allocated_blocks", "num_allocated_blocks", "_allocation_map", "_num_running_batches",
        "_preempted_requests", "_max_micro_batch_size", "_watermark_blocks", "_max_batch_size",
        "_replica_stage_schedulers", "_max_blocks_per_sequence", "num_blocks", "block_size",
        "chunk_size", "batch_size_cap", "watermark_blocks_fraction", "pending_queue",
        "active_queue", "num_pending_requests", "num_active_requests", "memory_usage_percent",
        "_replica_config", "_config", "_replica_id", "is_empty", "can_allocate",
        "max_tokens", "max_tokens_in_batch", "_max_blocks", "model_config", "device_config",
        "_id",
    }
)  # fmt: skip
# The simulator's containers: a router reads those of replicas, and edits only its own queue.
SIMULATOR_CONTAINERS = frozenset(
    {
        "_allocation_map", "_preempted_requests", "_replica_schedulers", "_replicas",
        "_replica_stage_schedulers", "_request_queue", "active_queue", "pending_queue",
    }
)  # fmt: skip
CONTAINER_MUTATORS = frozenset(
    {
        "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove",
        "reverse", "setdefault", "sort", "update",
    }
)  # fmt: skip
# What the simulator calls to move a simulation on. A router calls and replaces none of it.
SIMULATOR_METHODS = frozenset(
    {
        "on_schedule", "on_batch_end", "on_batch_schedule", "on_batch_stage_end",
        "on_batch_stage_schedule", "restart", "generate_id", "free_batch", "_get_next_batch",
        "_allocate_request", "_can_allocate_request", "_get_request_next_num_tokens",
        "get_execution_time",
        "get_replica_stage_scheduler", "_execution_time_predictor",
    }
)  # fmt: skip
# Likewise, but ordinary names for a router's own methods: refused unless on self.
SIMULATOR_METHODS_OF_OTHERS = frozenset({"add_request", "allocate", "free"})
