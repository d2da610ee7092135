#pragma once

/// Neighbours that say what a test told them to, and keep what they were told: users, directories, and the reader of
/// the store. Each has only the handlers that a test needs; the rest of its interface is dropped.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "protocol/actors.hpp"

#include <caf/test/dsl.hpp>

namespace gangway::test {

/// What a played user heard, in order: names of messages, and the orders to clean up.
struct user_notes {
  std::vector<std::string> heard;
  std::vector<clean_up> cleanups;
  bool is_asked_by_somebody = false; ///< the last cleanup's answer goes to somebody
};

/// Returns what a user of that name says of itself.
inline user_report report_of(const std::string& user, const std::string& tier = "free") {
  user_report result;
  result.user = {user};
  result.tier = tier;
  result.managers_max = 20;
  return result;
}

/// A user that notes what it hears and answers with what is known of it.
inline caf::behavior played_user(caf::event_based_actor* self, std::shared_ptr<user_notes> notes, user_report known) {
  self->set_default_handler(caf::drop);
  return {
      [=](const session_opened&) { notes->heard.emplace_back("session_opened"); },
      [=](const pressure_changed& report) { notes->heard.emplace_back(report.pressed ? "pressed" : "relieved"); },
      [=](const clean_up& order) {
        notes->cleanups.push_back(order);
        notes->is_asked_by_somebody = self->current_sender() != nullptr;
        decision made;
        made.user = known.user;
        made.level = order.level;
        made.dry_run = order.dry_run;
        return cleaned_up{made};
      },
      [=](const get_user_report&) { return known; },
      [=](const release& order) {
        notes->heard.push_back("release " + (order.thread ? order.thread->value : "all"));
        return released{1};
      },
      [=](const retire&) { self->quit(); },
  };
}

/// Keeps every message and answers none.
inline caf::behavior deaf_actor(caf::event_based_actor* self) {
  self->set_default_handler(caf::skip);
  return {[](const retire_deadline_tick&) {}};
}

/// A directory of users that were there from the start.
struct directory_notes {
  std::map<std::string, user_actor> users;
  bool silent = false; ///< heeded by a moody one
  tally count;
  measures counted;
};

inline caf::behavior played_directory(caf::event_based_actor*, std::shared_ptr<directory_notes> notes) {
  return {
      [=](const get_tally&) { return notes->count; },
      [=](const get_measures&) { return measured{notes->counted}; },
      [=](const get_vitals&) {
        return vitals{1, 2, {}, 0};
      },
      [=](const get_users& question) {
        std::vector<user_actor> result;
        for (const auto& [name, actor] : notes->users)
          if (result.size() < question.limit && (!question.user || question.user->value == name))
            result.push_back(actor);
        return result;
      },
  };
}

/// A directory that answers until it is told to be silent.
inline caf::behavior moody_directory(caf::event_based_actor*, std::shared_ptr<directory_notes> notes) {
  return {
      [=](const get_tally&) -> caf::result<tally> {
        if (notes->silent) return caf::skip();
        return notes->count;
      },
      [=](const get_measures&) -> caf::result<measured> {
        if (notes->silent) return caf::skip();
        return measured{notes->counted};
      },
      [=](const get_vitals&) { return vitals{}; },
  };
}

/// A store that counted, until it is told to be silent.
struct store_notes {
  store_measures counted;
  bool silent = false;
  std::vector<erase_history> erased; ///< each the one thread that there was
  bool fails = false;
};

inline caf::behavior played_store(caf::event_based_actor*, std::shared_ptr<store_notes> notes) {
  return {
      [=](const get_store_measures&) -> caf::result<store_measured> {
        if (notes->silent) return caf::skip();
        return store_measured{notes->counted};
      },
      [=](const erase_history& order) -> caf::result<history_erased> {
        if (notes->silent) return caf::skip();
        if (notes->fails) return caf::make_error(errc::store_unavailable);
        notes->erased.push_back(order);
        return history_erased{order.user.value == "nobody" ? 0u : 1u};
      },
      [=](const get_vitals&) { return vitals{}; },
  };
}

/// A reader that knows some decisions, or fails.
struct reader_notes {
  std::vector<get_decisions> asked;
  decisions_page page;
  bool fails = false;
};

inline caf::behavior played_reader(caf::event_based_actor*, std::shared_ptr<reader_notes> notes) {
  return {
      [=](const get_decisions& question) -> caf::expected<decisions_page> {
        notes->asked.push_back(question);
        if (notes->fails) return caf::make_error(errc::store_unavailable);
        return notes->page;
      },
      [=](const get_vitals&) {
        return vitals{1, 5, {}, 0};
      },
  };
}

/// An HTTP request that keeps its answer.
struct played_request final : reply_port {
  void reply(unsigned with, std::string body, std::string_view type) override {
    status = with;
    text = std::move(body);
    content_type = type;
  }

  nlohmann::json body() const { return nlohmann::json::parse(text); }
  nlohmann::json result() const { return body()["result"]; }
  std::string error_code() const { return body()["error"]["code"]; }
  std::string error_message() const { return body()["error"]["message"]; }

  unsigned status = 0; ///< 0: no answer yet
  std::string text;
  std::string content_type;
};

/// Virtual time, and whoever the test plays.
struct played_fixture : test_coordinator_fixture<> {
  ~played_fixture() override {
    for (const auto& actor : played_)
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    settle();
    sched.clock().cancel_all();
  }

  /// Starts an actor that ends with the test, under the interface that it plays.
  template <class Handle, class Function, class... Arguments>
  Handle play(Function function, Arguments&&... arguments) {
    auto actor = caf::actor_cast<Handle>(sys.spawn(function, std::forward<Arguments>(arguments)...));
    played_.push_back(caf::actor_cast<caf::strong_actor_ptr>(actor));
    return actor;
  }

  /// Lets everything happen that needs no time.
  void settle() {
    while (sched.try_run_once()) {
    }
  }

  std::vector<caf::strong_actor_ptr> played_;
};

} // namespace gangway::test
