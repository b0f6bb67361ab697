"""What a card says where nobody has said it better: true of every checkpoint of this project.

The headings are those of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019).
"""

from typing import Final

INTENDED_USE: Final = (
    "To point out videos that may show forged faces, so that a person looks closer. It reads what "
    "Unmask's own preprocessing extracts; its answers are probabilities, for the kinds of videos "
    "that it was evaluated on."
)

OUT_OF_SCOPE_USES: Final = (
    "Deciding anything about a person on its word alone: in court, at work, at a border, or in "
    "taking down what somebody published.",
    "Saying who is shown, who made a forgery, or whether a voice or a text is genuine.",
    "Vouching for a video: that no forgery was found does not make it genuine.",
)

EVALUATION_DATA: Final = (
    "The sets that the evaluations name. Temperature and thresholds were chosen on `val`, so its "
    "figures flatter the checkpoint. Whether the people of the others were kept apart from those "
    "of training is known only where their notes say so."
)

ETHICAL_CONSIDERATIONS: Final = (
    "It calls some real videos fake, and so may harm honest people. The evaluations say how often "
    "it did on their videos; on others it may be more often.",
    "Error rates can differ between groups of people, as by age, gender or skin tone. Where no "
    "evaluation compares them, they are not known to be alike.",
    "Faces are personal data. That a data set may be had does not show that the people in it "
    "consented.",
    "Whoever has these weights can look for forgeries that they miss.",
)
