"""The mutations of what a process shares: at least one for each row of docs/architecture.md.

``python scripts/mutants.py shared:`` makes them all.
"""

from __future__ import annotations

from typing import Final

from mutant import Edit, Mutant

_SHARED: Final = "tests/test_shared.py::"
_AS_IT_WAS: Final = f"{_SHARED}test_all_but_two_hooks_is_as_it_was_and_they_are_given_back"
_NATIVE: Final = "tests/test_native.py::"
_UNSEEN: Final = "tests/test_unseen.py::"
_KEPT: Final = "tests/test_kept.py::"


def _loaded(statement: str) -> tuple[Edit, ...]:
    """Let the extension do something more as it is loaded."""
    start = "        atexit.register(self._at_end)\n"
    return (Edit("dev_analytics/apps/extension.py", start, f"{start}        {statement}\n"),)


ROWS: Final = (
    Mutant("shared: a standard descriptor",
           "tests/test_descriptors.py::test_none_is_a_standard_one_whatever_the_user_closed[2]",
           (Edit("dev_analytics/process/descriptors.py",
                 "    with standard_taken():\n        descriptor = open_now",
                 "    if True:\n        descriptor = open_now"),)),
    Mutant("shared: a descriptor that is another's",
           "tests/test_descriptors.py::"
           "test_a_number_that_was_given_away_is_written_to_by_its_owner_alone[our own file again]",
           (Edit("dev_analytics/delivery/lines.py",
                 "known = self._mark and has_mark(self.descriptor, self._mark)",
                 "known = True"),)),
    Mutant("shared: a file that was moved",
           "tests/delivery/test_lines.py::"
           "test_a_log_that_was_moved_away_begins_anew_where_it_was",
           (Edit("dev_analytics/delivery/lines.py",
                 "if not known or Clock.monotonic() >= self._look:", "if not known:"),)),
    Mutant("shared: a child that is seen",
           f"{_UNSEEN}test_nobody_sees_the_process_that_starts_a_sender[waits]",
           (Edit("dev_analytics/process/detached.py",
                 "if not (known and run_unseen(_BEGIN.format(clean, pipe))):", "if True:"),)),
    Mutant("shared: an orphan that is adopted",
           f"{_UNSEEN}test_a_process_that_gets_what_others_leave_is_given_no_sender",
           (Edit("dev_analytics/process/unseen_child.py",
                 " == 0 and bool(asked.value)", " != 0"),)),
    Mutant("shared: a program that is no Python",
           "tests/test_detached.py::"
           "test_only_what_is_called_as_a_python_is_taken_for_one[uwsgi]",
           (Edit("dev_analytics/process/detached.py",
                 "if not any(_PYTHON.fullmatch(each.name) for each in"
                 " (program, program.resolve())):",
                 "if not program.exists():"),)),
    Mutant("shared: another import path",
           "tests/test_entry.py::"
           "test_the_package_s_folder_comes_first_only_where_another_would_be_found",
           (Edit("dev_analytics/process/entry.py",
                 "    sys.path.extend(each for each in path if each not in sys.path)\n", ""),)),
    Mutant("shared: a forked worker's records",
           "tests/delivery/test_survival.py::"
           "test_what_waits_in_a_forked_child_is_recorded_and_what_it_drops_is_counted",
           (Edit("dev_analytics/pipeline.py",
                 "            register_after_fork(self, Pipeline._finish_with_worker)\n",
                 "            assert register_after_fork\n"),)),
    Mutant("shared: a forked child's records",
           "tests/delivery/test_survival.py::"
           "test_what_waits_in_a_forked_child_is_recorded_and_what_it_drops_is_counted",
           (Edit("dev_analytics/pipeline.py",
                 "            start_thread(self._finish, ())\n", "            pass\n"),)),
    Mutant("shared: an interrupt that is passed on",
           f"{_NATIVE}test_an_interrupt_at_any_line_of_a_cells_record_leaves_nobody_waiting",
           (Edit("dev_analytics/callbacks.py",
                 "except (Exception, KeyboardInterrupt):", "except Exception:"),)),
    Mutant("shared: signals that stay blocked",
           f"{_UNSEEN}test_an_interrupt_that_comes_as_signals_are_blocked_leaves_none_blocked",
           (Edit("dev_analytics/process/unseen_child.py",
                 "        signal.pthread_sigmask(signal.SIG_SETMASK, before)\n", ""),)),
    Mutant("shared: a signal handler", _AS_IT_WAS,
           _loaded('import signal; signal.signal(signal.SIGTERM, lambda *_: None)')),
    Mutant("shared: sys.modules, what is kept",
           f"{_KEPT}test_each_thing_is_recorded_once_and_nothing_after_unloading",
           (Edit("dev_analytics/process/kept.py",
                 "    home = sys.modules.get(HOME)\n", "    home = globals().get(HOME)\n"),
            Edit("dev_analytics/process/kept.py",
                 "        home = sys.modules[HOME] = ModuleType(",
                 "        home = globals()[HOME] = ModuleType("))),
    Mutant("shared: sys.modules, a lazy module",
           "tests/observers/llm/test_hooks.py::"
           "test_what_is_no_module_is_not_asked_and_a_lazy_one_stays_lazy",
           (Edit("dev_analytics/observers/llm/imports.py",
                 "            elif type(module) is ModuleType:\n", "            elif module:\n"),)),
    Mutant("shared: sys.modules, an object",
           "tests/observers/llm/test_hooks.py::"
           "test_what_is_no_module_is_not_asked_and_a_lazy_one_stays_lazy",
           (Edit("dev_analytics/observers/llm/imports.py",
                 "            if not issubclass(type(module), ModuleType):\n",
                 "            if not isinstance(module, ModuleType):\n"),)),
    Mutant("shared: an import hook that stays", _AS_IT_WAS,
           (Edit("dev_analytics/observers/llm/hooks.py", "    _IMPORTS.end()\n", ""),)),
    Mutant("shared: a thread's hook that stays", _AS_IT_WAS,
           (Edit("dev_analytics/observers/threads.py",
                 "            threading.excepthook = self._before\n", "            pass\n"),)),
    Mutant("shared: a thread's hook for each shell",
           f"{_KEPT}test_two_shells_of_a_process_record_an_error_once",
           (Edit("dev_analytics/apps/extension.py",
                 "_sessions[0]._threads if _sessions else Threads(analytics)",
                 "Threads(analytics)"),)),
    Mutant("shared: sys.excepthook", _AS_IT_WAS, _loaded("sys.excepthook = sys.__excepthook__")),
    Mutant("shared: sys.unraisablehook", _AS_IT_WAS,
           _loaded("sys.unraisablehook = lambda _: None")),
    Mutant("shared: sys.displayhook", _AS_IT_WAS, _loaded("sys.displayhook = lambda _: None")),
    Mutant("shared: a start that no audit hook sees",
           f"{_UNSEEN}test_an_audit_hook_that_refuses_processes_refuses_this_one",
           (Edit("dev_analytics/process/detached.py",
                 '    sys.audit("os.posix_spawn", command[0], command, None)\n', ""),)),
    Mutant("shared: what an audit hook refuses",
           f"{_SHARED}test_an_audit_hook_that_refuses_everything_is_not_heard_of",
           (Edit("dev_analytics/callbacks.py",
                 "            observer.drops.count(Drop.FAILURE)\n", "            pass\n"),)),
    Mutant("shared: atexit",
           f"{_SHARED}test_exit_handlers_of_the_user_s_run_before_and_after_ours",
           (Edit("dev_analytics/apps/extension.py",
                 "                self._exited(\"end of process\", at_exit=True)\n",
                 "                pass\n"),)),
    Mutant("shared: the environment, changed", _AS_IT_WAS,
           _loaded('os.environ["DEV_ANALYTICS_LOADED"] = "1"')),
    Mutant("shared: the environment, cleared",
           f"{_SHARED}test_whatever_the_user_changes_a_cell_is_recorded_or_counted",
           (Edit("dev_analytics/consent/gate.py",
                 "        consent = self.store.current()\n        if _variables()",
                 "        from dev_analytics.consent.environment import data_directory\n"
                 "        consent = ConsentStore(data_directory()).current()\n"
                 "        if _variables()"),)),
    Mutant("shared: the environment, told to a sender",
           "tests/test_detached.py::test_it_is_given_the_variables_that_it_needs_and_no_other",
           (Edit("dev_analytics/process/detached.py", " if _is_needed(name)}", "}"),)),
    Mutant("shared: a limit", _AS_IT_WAS,
           _loaded("import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0))")),
    Mutant("shared: what a limit keeps from the spool",
           f"{_SHARED}test_whatever_the_user_changes_a_cell_is_recorded_or_counted",
           (Edit("dev_analytics/pipeline.py",
                 "                self.sink.accept(record, way.user_id)\n"
                 "            except OSError:\n"
                 "                session.drops.count(Drop.DISK_ERROR)\n",
                 "                self.sink.accept(record, way.user_id)\n"
                 "            except OSError:\n                pass\n"),)),
    Mutant("shared: a warnings filter", _AS_IT_WAS,
           _loaded('import warnings; warnings.simplefilter("ignore")')),
    Mutant("shared: a warning",
           f"{_SHARED}test_the_flags_of_python_make_no_difference[-W error -X dev -b]",
           (Edit("dev_analytics/observers/cells.py",
                 "        cell, outermost = self._running.push(",
                 '        __import__("warnings").warn("of ours", stacklevel=1)\n'
                 "        cell, outermost = self._running.push("),)),
    Mutant("shared: a help in a docstring alone",
           f"{_KEPT}test_what_users_read_is_there_without_docstrings",
           (Edit("dev_analytics/apps/magics.py",
                 "for line in HELP.splitlines()", 'for line in (_help.__doc__ or "").splitlines()'),
            Edit("dev_analytics/apps/magics.py",
                 "def _help() -> str:\n", 'def _help() -> str:\n    """Help."""\n'))),
    Mutant("shared: a flag that is not taken over",
           "tests/test_detached.py::test_what_the_user_shut_out_is_shut_out_there",
           (Edit("dev_analytics/process/detached.py",
                 "    if given.no_user_site and not given.isolated:\n", "    if False:\n"),)),
    Mutant("shared: a second shell",
           f"{_SHARED}test_a_shell_inside_another_program_is_one_as_all",
           (Edit("dev_analytics/apps/extension.py",
                 "for loaded in [session for session in _sessions if session.shell is shell]:",
                 "for loaded in _sessions.copy():"),)),
    Mutant("shared: an error of two shells",
           f"{_KEPT}test_two_shells_of_a_process_record_an_error_once",
           (Edit("dev_analytics/observers/cells.py",
                 'kept("last recorded error", _Recorded)', "_Recorded()"),)),
    Mutant("shared: a thread of threading's",
           f"{_NATIVE}test_greenlets_wait_for_nothing_of_ours_and_a_sender_starts_beside_them",
           (Edit("dev_analytics/process/native.py",
                 "    _THREAD.start_new_thread\n",
                 '    lambda run, given: __import__("threading").Thread('
                 "target=run, args=given).start() or 0\n"),)),
    Mutant("shared: the lock of threading",
           f"{_NATIVE}"
           "test_a_signal_handler_that_records_waits_for_no_lock_of_the_standard_librarys",
           (Edit("dev_analytics/consent/gate.py",
                 "    return [*running.copy().values(), *beginning.copy().values()]\n",
                 "    del running, beginning\n    return threading.enumerate()\n"),)),
    Mutant("shared: a lock that is taken once",
           f"{_NATIVE}"
           "test_a_signal_handler_that_records_waits_for_no_lock_of_the_standard_librarys",
           (Edit("dev_analytics/process/native.py",
                 "= _THREAD.RLock", "= _THREAD.allocate_lock"),)),
    Mutant("shared: a loop that is waited for",
           "tests/consent/asking/test_notebook.py::"
           "test_the_dialog_comes_after_the_reply_and_costs_the_cell_nothing",
           (Edit("dev_analytics/consent/asking/reply.py",
                 "    loop.call_soon(loop.call_soon, call)\n", "    assert loop\n    call()\n"),)),
    Mutant("shared: a clock that lies",
           "tests/test_clock.py::test_no_time_of_the_users_stands_in_a_record"
           "[time-machine, in the past]",
           (Edit("dev_analytics/process/clock.py",
                 "    return _understood(said)\n", "    assert _understood\n    return now\n"),)),
    Mutant("shared: a time zone", "tests/test_clock.py::test_another_time_zone_changes_no_time",
           (Edit("dev_analytics/catalogue/record.py",
                 "Clock.gmtime(seconds)", "Clock.localtime(seconds)"),)),
    Mutant("shared: a locale", "tests/test_clock.py::test_another_locale_changes_no_record",
           (Edit("dev_analytics/catalogue/record.py",
                 '"%Y-%m-%dT%H:%M:%S+00:00"', '"%x"'),)),
    Mutant("shared: a replaced function",
           f"{_NATIVE}test_nothing_that_a_user_replaces_is_called_by_a_record",
           (Edit("dev_analytics/process/native.py", "= system.urandom\n",
                 "= lambda size: os.urandom(size)\n"),)),
    Mutant("shared: a replaced environment",
           f"{_NATIVE}test_a_no_in_an_environment_that_was_replaced_is_heard",
           (Edit("dev_analytics/process/native.py",
                 "return now if type(now) in _PLAIN else ENVIRON", "return ENVIRON"),)),
    Mutant("shared: an umask",
           "tests/test_private.py::"
           "test_every_file_can_be_read_by_its_owner_and_by_nobody_else[0o777]",
           (Edit("dev_analytics/process/descriptors.py",
                 "            system.fchmod(descriptor, mode)\n", "            pass\n"),)),
    Mutant("shared: an umask that is set", _AS_IT_WAS, _loaded("os.umask(0o77)")),
    Mutant("shared: the working directory",
           "tests/delivery/test_launcher.py::"
           "test_a_process_whose_folder_was_deleted_still_starts_a_sender",
           (Edit("dev_analytics/process/detached.py",
                 "        return entry.is_absolute()\n", "        return True\n"),)),
    Mutant("shared: the working directory, changed", _AS_IT_WAS, _loaded('os.chdir("/")')),
    Mutant("shared: an output without an encoding",
           "tests/test_said.py::test_an_output_of_the_users_may_have_any_encoding",
           (Edit("dev_analytics/process/messages.py",
                 "except (LookupError, TypeError, ValueError):", "except LookupError:"),)),
    Mutant("shared: garbage in the middle",
           "tests/observers/llm/test_recorder.py::"
           "test_a_stream_collected_while_the_spool_is_locked_waits_for_no_lock",
           (Edit("dev_analytics/observers/llm/recorder.py",
                 "self.analytics.pipeline.later(partial(self.take, call))", "self.take(call)"),)),
    Mutant("shared: the garbage collector", _AS_IT_WAS, _loaded("import gc; gc.disable()")),
    Mutant("shared: the recursion limit", _AS_IT_WAS, _loaded("sys.setrecursionlimit(5000)")),
    Mutant("shared: an error that met the recursion limit",
           "tests/observers/test_errors.py::"
           "test_a_recursion_error_is_recorded_with_its_package",
           (Edit("dev_analytics/observers/errors.py",
                 "    frames: list[object] = []\n",
                 "    frames: list[object] = []\n"
                 "    if traceback is not None:\n"
                 "        _follow(traceback.tb_next)\n"),)),
    Mutant("shared: contextvars", "tests/test_edit_formats.py::test_an_error_inside_ends_it",
           (Edit("dev_analytics/edit_formats.py",
                 "            _block.reset(token)\n", "            assert token\n"),)),
    Mutant("shared: memory",
           "tests/observers/test_features.py::"
           "test_a_large_cell_takes_time_and_memory_in_the_order_of_the_cell",
           (Edit("dev_analytics/observers/features.py",
                 "    if len(text) > MAX_BODY:\n", "    if not text:\n"),)),
    Mutant("shared: file locks",
           "tests/delivery/test_spool.py::"
           "test_where_files_cannot_be_locked_nothing_is_said_but_by_the_status",
           (Edit("dev_analytics/delivery/locks.py",
                 "            raise NoLocksError(error.errno, error.strerror) from error\n",
                 "            return True\n"),)),
    Mutant("shared: a full disk",
           "tests/views/test_obstacles.py::test_a_disk_that_takes_nothing_is_named",
           (Edit("dev_analytics/views/obstacles.py",
                 "        if not disk.f_bavail or (disk.f_files and not disk.f_favail):\n",
                 "        if not disk.f_blocks:\n"),)),
    Mutant("shared: a temporary file", _AS_IT_WAS,
           _loaded("import tempfile; tempfile.TemporaryFile().close()")),
)  # fmt: skip
