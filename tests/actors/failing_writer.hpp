#pragma once

/// A database whose disk can be made to fail, and to work again.

#include <memory>
#include <utility>

#include "actors/store/engine.hpp"

namespace gangway::test {

/// What is wrong with a disk now.
struct disk_fault {
  bool fails = false;         ///< nothing can be written
  bool is_damaged = false;    ///< and what is stored is damaged
  bool looks_damaged = false; ///< though it is not
  int attempts = 0;           ///< to begin a transaction while it failed
};

/// The real writer, as long as its disk works.
class failing_writer final : public log_writer {
public:
  failing_writer(std::unique_ptr<log_writer> real, std::shared_ptr<disk_fault> fault)
      : real_{std::move(real)}, fault_{std::move(fault)} {}

  void begin(bool durable) override {
    if (fault_->fails) {
      ++fault_->attempts;
      throw storage_error{"the disk is full", fault_->is_damaged || fault_->looks_damaged};
    }
    real_->begin(durable);
  }

  void commit() override { real_->commit(); }
  void roll_back() noexcept override { real_->roll_back(); }
  void touch() override { real_->touch(); }

  void examine() override {
    if (fault_->is_damaged) throw storage_error{"a page is damaged", true};
  }

  log_opened open(const open_log& what) override { return real_->open(what); }
  std::variant<events_appended, append_refusal> append(const append_events& what) override {
    return real_->append(what);
  }
  void record(const decision_row& what) override { real_->record(what); }
  bool tidy(const history_rules& rules, utc_time now) override { return real_->tidy(rules, now); }
  bool erase(const user_id& user, const thread_id& thread) override { return real_->erase(user, thread); }
  std::size_t erase(const user_id& user) override { return real_->erase(user); }

private:
  std::unique_ptr<log_writer> real_;
  std::shared_ptr<disk_fault> fault_;
};

} // namespace gangway::test
