*** Comments ***
The images that are flashed, in Renode 1.15 or newer: renode-test firmware/renode/boards.robot
Build them before: pio run. The command `tinyscene` must be on the PATH; README.md here says more.

*** Settings ***
Library           OperatingSystem
Library           Process
Library           String
Suite Setup       Setup
Suite Teardown    Run Keywords    Remove Directory    ${SCRATCH}    recursive=true    AND    Teardown
Test Setup        Reset Emulation
Test Teardown     Test Teardown
Resource          ${RENODEKEYWORDS}

*** Variables ***
${TINYSCENE}      tinyscene
${IMAGES}         ${CURDIR}/../../.pio/build
${BUNDLE}         ${CURDIR}/../../models/student
${SCRATCH}        %{TMPDIR=/tmp}/tinyscene-robot
# For the microphone: firmware of nano33ble with a bundle at 41667 Hz, 16-bit samples without a header, and the likeliest
# scene of the second that begins 5120 samples after their start
${MICROPHONE_IMAGE}    ${EMPTY}
${SOUND}          ${EMPTY}
${SCENE}          ${EMPTY}
# A request INFO with a wrong CRC
@{DAMAGED_INFO}    0x00    0x09    0x01    0x01    0x01    0x01    0xDE    0xAD    0xBE    0xEF    0x00
# Where nothing else lies: the last words of the RAM of each board
&{SPARE_RAM}      stm32l496=0x2004FF00    nano33ble=0x2003FF00
&{SERIAL}         stm32l496=lpuart1    nano33ble=uart0

*** Keywords ***
Boot
    [Documentation]    Starts a board; its serial port is at ${URL} from then on.
    [Arguments]    ${board}    ${image}=${IMAGES}/${board}/firmware.elf
    File Should Exist    ${image}    msg=build it: pio run -e ${board}
    ${port}=    Evaluate    __import__('socket').create_server(('127.0.0.1', 0)).getsockname()[1]
    Set Test Variable    ${URL}    socket://127.0.0.1:${port}
    Execute Command    $bin=@${image}
    Execute Command    $port=${port}
    Execute Command    include @${CURDIR}/${board}.resc
    Create Terminal Tester    sysbus.${SERIAL}[${board}]    timeout=60
    Start Emulation
    Wait For Line On Uart    \# tinyscene .* board=${board} .*protocol=2    treatAsRegex=true

Ask
    [Documentation]    Runs `tinyscene device VERB --port ...`, which must succeed, and returns what it printed.
    [Arguments]    @{arguments}
    ${result}=    Run Process    ${TINYSCENE}    device    @{arguments}    --port    ${URL}    timeout=300s
    Should Not Be Equal As Integers    ${result.rc}    -15    msg=timed out: no end of 300 s: device ${arguments}
    Should Be Equal As Integers    ${result.rc}    0    msg=${result.stdout}${result.stderr}
    RETURN    ${result.stdout}

Info
    [Documentation]    Returns what `tinyscene device info` has to say.
    Ask    info    --json    ${SCRATCH}/info.json
    ${text}=    Get File    ${SCRATCH}/info.json
    ${info}=    Evaluate    json.loads($text)    modules=json
    RETURN    ${info}

Board Says What It Is
    [Arguments]    ${board}
    Boot    ${board}
    ${info}=    Info
    Should Be Equal    ${info}[board]    ${board}
    Should Be True    ${info}[self_test][bundle_is_whole]

Board Classifies As The Host Does
    [Documentation]    Every stage of the front end and the network's outputs are the host's; and so is the scene of a clip.
    [Arguments]    ${board}
    Boot    ${board}
    ${verified}=    Ask    verify    --bundle    ${BUNDLE}
    Should Contain    ${verified}    agrees at every stage
    ${made}=    Run Process    ${TINYSCENE}    data    synth    ${SCRATCH}/scenes    --clips-per-scene    10    timeout=300s
    Should Be Equal As Integers    ${made.rc}    0    msg=${made.stderr}
    Ask    evaluate    ${BUNDLE}    --data    ${SCRATCH}/scenes    --split    fold1_evaluate.csv    --mode    audio
    ...    --clips    3    --journal    ${SCRATCH}/${board}.jsonl    --diff    ${SCRATCH}/${board}.tsv
    ${differences}=    Get File    ${SCRATCH}/${board}.tsv
    Should Contain X Times    ${differences}    \n    1    msg=clips that the board classifies otherwise: ${differences}

Board Recovers From A Damaged Frame
    [Arguments]    ${board}
    Boot    ${board}
    FOR    ${byte}    IN    @{DAMAGED_INFO}
        Execute Command    sysbus.${SERIAL}[${board}] WriteChar ${byte}
    END
    ${info}=    Info
    Should Be Equal As Integers    ${info}[statistics][crc_errors]    1
    Should Be Equal    ${info}[board]    ${board}

Board Is Restarted By Its Watchdog
    [Documentation]    The processor is sent into an endless loop; the board says where it was, restarts, and remembers it.
    [Arguments]    ${board}
    Boot    ${board}
    Execute Command    pause
    Execute Command    sysbus WriteDoubleWord ${SPARE_RAM}[${board}] 0xE7FEB662    # cpsie i; b .
    Execute Command    cpu PC ${SPARE_RAM}[${board}]
    Execute Command    start
    Wait For Line On Uart    \# watchdog .*pc=2    treatAsRegex=true
    Wait For Line On Uart    \# tinyscene .* board=${board}    treatAsRegex=true
    ${info}=    Info
    Should Be Equal As Integers    ${info}[crash][kind]    2    msg=${info}[crash]

*** Test Cases ***
STM32L496 Boots And Says What It Is
    Board Says What It Is    stm32l496

STM32L496 Classifies As The Host Does
    Board Classifies As The Host Does    stm32l496

STM32L496 Recovers From A Damaged Frame
    Board Recovers From A Damaged Frame    stm32l496

STM32L496 Is Restarted By Its Watchdog
    Board Is Restarted By Its Watchdog    stm32l496

Nano 33 BLE Boots And Says What It Is
    Board Says What It Is    nano33ble

Nano 33 BLE Classifies As The Host Does
    Board Classifies As The Host Does    nano33ble

Nano 33 BLE Recovers From A Damaged Frame
    Board Recovers From A Damaged Frame    nano33ble

Nano 33 BLE Is Restarted By Its Watchdog
    Board Is Restarted By Its Watchdog    nano33ble

Nano 33 BLE Hears A File Through Its Microphone
    Skip If    '${MICROPHONE_IMAGE}' == ''    give MICROPHONE_IMAGE, SOUND and SCENE: see README.md
    Boot    nano33ble    ${MICROPHONE_IMAGE}
    Execute Command    sysbus.pdm SetInputFile @${SOUND}
    ${lines}=    Ask    stream    --microphone    --seconds    20
    ${first}=    Get Lines Containing String    ${lines}    \# scene=
    Should Match Regexp    ${first}    ^\# scene=${SCENE} level=-\\d+.\\d peak=-\\d+.\\d dropped=0
